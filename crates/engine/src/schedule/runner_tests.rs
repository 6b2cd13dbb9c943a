//! The runner against a fake clock: it follows tokio's paused time and can be set, as a person or a suspend would. A
//! real clock cannot be made to jump.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Mutex;

use jiff::tz::TimeZone;
use tokio::time::{Instant, sleep};

use super::*;
use crate::schedule::Cron;

/// Shows 2026-01-01, midnight, when it is made.
struct FakeClock {
    made: Instant,
    jumped: Mutex<SignedDuration>,
}

impl FakeClock {
    fn new() -> FakeClock {
        FakeClock { made: Instant::now(), jumped: Mutex::new(SignedDuration::ZERO) }
    }

    /// The clock moves, and no timer notices.
    fn jump(&self, by: SignedDuration) {
        *self.jumped.lock().unwrap() += by;
    }
}

impl WallClock for FakeClock {
    fn now(&self) -> Timestamp {
        let midnight: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        midnight + self.made.elapsed() + *self.jumped.lock().unwrap()
    }
}

/// A run of the runner: when jobs began, by the fake clock, and the counts.
struct Bench {
    clock: Rc<FakeClock>,
    began: Rc<RefCell<Vec<String>>>,
    tally: Tally,
}

impl Bench {
    fn new() -> Bench {
        Bench { clock: Rc::new(FakeClock::new()), began: Rc::default(), tally: Tally::default() }
    }

    /// Runs jobs that take so many seconds while `events` go on, and stops after them.
    async fn run(&self, schedule: &Schedule, takes: &[u64], events: impl Future<Output = ()>) {
        let (stop, stopped) = watch::channel(false);
        let mut takes = takes.iter().copied();
        let job = |_start: Start| {
            self.began
                .borrow_mut()
                .push(self.clock.now().to_zoned(TimeZone::UTC).strftime("%d %H:%M:%S").to_string());
            sleep(Duration::from_secs(takes.next().unwrap_or(1)))
        };
        let runner = every(schedule, &*self.clock, &self.tally, stopped, job);
        tokio::join!(runner, async {
            events.await;
            stop.send(true).unwrap();
        });
    }

    fn counts(&self) -> [u64; 3] {
        [self.tally.runs(), self.tally.skipped(), self.tally.missed()]
    }
}

fn schedule(text: &str) -> Schedule {
    Schedule::new("test", Cron::parse(text).unwrap(), TimeZone::UTC)
}

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

#[tokio::test(start_paused = true)]
async fn jobs_start_on_time_until_stopped() {
    let bench = Bench::new();
    bench.run(&schedule("*/10 * * * *"), &[], sleep(minutes(35))).await;
    assert_eq!(*bench.began.borrow(), ["01 00:10:00", "01 00:20:00", "01 00:30:00"]);
    assert_eq!(bench.counts(), [3, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_falls_into_a_run_is_skipped_and_counted() {
    let bench = Bench::new();
    // The first takes 25 minutes, up to 00:35.
    bench.run(&schedule("*/10 * * * *"), &[1500], sleep(minutes(55))).await;
    assert_eq!(*bench.began.borrow(), ["01 00:10:00", "01 00:40:00", "01 00:50:00"]);
    assert_eq!(bench.counts(), [3, 2, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_delayed_start_after_a_run_is_not_lost() {
    let bench = Bench::new();
    let schedule = schedule("*/10 * * * *").with_jitter(minutes(10));
    // Each run ends between the time that is due next and its delayed start.
    let first = schedule.after(bench.clock.now()).unwrap();
    let second = schedule.after(first.due).unwrap();
    let takes = second.at.duration_since(first.at).as_secs().unsigned_abs() - 1;
    bench.run(&schedule, &[takes], sleep(minutes(30))).await;
    assert_eq!(bench.counts()[1..], [0, 0]);
    let second = second.at.to_zoned(TimeZone::UTC).strftime("%d %H:%M:%S").to_string();
    assert_eq!(bench.began.borrow()[1], second);
}

#[tokio::test(start_paused = true)]
async fn after_a_suspend_one_run_stands_for_those_that_were_missed() {
    let bench = Bench::new();
    let night = async {
        sleep(minutes(15)).await;
        bench.clock.jump(SignedDuration::from_hours(8));
        sleep(minutes(10)).await;
    };
    bench.run(&schedule("*/10 * * * *"), &[], night).await;
    let began = bench.began.borrow().clone();
    assert_eq!(began.len(), 3, "{began:?}");
    assert_eq!(began[0], "01 00:10:00");
    assert!(began[1].as_str() <= "01 08:15:30", "{began:?}");
    assert_eq!(began[2], "01 08:20:00");
    // 00:20 to 08:10 are 48 starts; one of them has run late.
    assert_eq!(bench.counts(), [3, 0, 47]);
}

/// When jobs begin if the clock goes back by so much half an hour after the second one.
async fn set_back(text: &str, by: SignedDuration) -> Vec<String> {
    let bench = Bench::new();
    let set_back = async {
        sleep(minutes(150) + Duration::from_secs(5)).await;
        bench.clock.jump(-by);
        sleep(minutes(95)).await;
    };
    bench.run(&schedule(text), &[], set_back).await;
    bench.began.take()
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_repeats_only_what_repeats() {
    let hour = SignedDuration::from_hours(1);
    assert_eq!(set_back("0 1,2,3 * * *", hour).await, ["01 01:00:00", "01 02:00:00", "01 03:00:00"]);
    assert_eq!(
        set_back("0 * * * *", hour).await,
        ["01 01:00:00", "01 02:00:00", "01 02:00:00", "01 03:00:00"]
    );
    assert_eq!(set_back("* * 1 1 *", hour).await.len(), 150 + 95);
    // A clock that is a little fast, and set right just after the start.
    let little = set_back("30 * * * *", SignedDuration::from_secs(20)).await;
    assert_eq!(little, ["01 00:30:00", "01 01:30:00", "01 02:30:00", "01 03:30:00"]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_far_ahead_is_believed_once_it_is_right() {
    let bench = Bench::new();
    bench.clock.jump(SignedDuration::from_hours(24 * 365));
    let corrected = async {
        sleep(minutes(90)).await;
        bench.clock.jump(SignedDuration::from_hours(-24 * 365));
        sleep(minutes(60)).await;
    };
    bench.run(&schedule("@hourly"), &[], corrected).await;
    assert_eq!(*bench.began.borrow(), ["01 01:00:00", "01 02:00:00"]);
    assert_eq!(bench.counts(), [2, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn years_that_pass_at_once_take_no_time_to_count() {
    let bench = Bench::new();
    let years = async {
        sleep(Duration::from_millis(1500)).await;
        bench.clock.jump(SignedDuration::from_hours(24 * 3650));
        sleep(Duration::from_secs(3)).await;
    };
    bench.run(&schedule("* * * * * ?").with_jitter(minutes(1)), &[0; 10], years).await;
    let [runs, _, missed] = bench.counts();
    assert!((2..=6).contains(&runs), "{runs}");
    assert!((COUNTED - 1..COUNTED + 120).contains(&missed), "{missed}");
}

#[tokio::test(start_paused = true)]
async fn a_running_job_is_waited_for() {
    let bench = Bench::new();
    bench.run(&schedule("@hourly"), &[7200], sleep(minutes(61))).await;
    assert_eq!(bench.clock.now().to_string(), "2026-01-01T03:00:00Z");
    assert_eq!(bench.counts()[0], 1);
}

#[tokio::test(start_paused = true)]
async fn it_ends_by_itself_when_no_start_is_left_or_nobody_can_stop_it() {
    let (clock, tally) = (FakeClock::new(), Tally::default());
    let (stop, stopped) = watch::channel(false);
    let last = schedule("0 0 1 1 1 ? 2026");
    every(&last, &clock, &tally, stopped.clone(), |_| async {}).await;
    assert_eq!(tally.runs(), 1);
    assert_eq!(clock.now().to_string(), "2026-01-01T01:00:00Z");
    drop(stop);
    every(&schedule("@hourly"), &clock, &tally, stopped, |_| async {}).await;
    assert_eq!(tally.runs(), 1);
}

/// It can be spawned.
#[test]
fn the_runner_is_send() {
    fn is_send(_: impl Send) {}
    let (_stop, stopped) = watch::channel(false);
    let (schedule, tally) = (schedule("@hourly"), Tally::default());
    is_send(every(&schedule, &crate::schedule::SystemClock, &tally, stopped, |_| async {}));
}
