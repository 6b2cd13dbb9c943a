"""The alerts of deploy/prometheus: their rules under `promtool`, and some of them for real.

    tests/services/services.sh python -m alerts

Every alert must have a unit test in which it fires and clears, and a runbook page; no rule may ask for a metric that a running binary
does not export. Then Prometheus scrapes a binary with a copy of the rules whose `for:` are shortened to a second: a dead letter,
drift, a target that is down and a process that is gone must each arrive at Alertmanager's receiver and be resolved after the cure.
Needs SYNCLINE_BIN or target/release/syncline. Exit: 0 all shown, 1 not.
"""

import json
import os
import sys
import time

from acceptance.process import Failed

from . import rules
from .stage import RECEIVER, TARGET, Listener, Monitoring, Shop

BEGAN = time.monotonic()


def say(text):
    print(f"[{time.monotonic() - BEGAN:5.1f} s] {text}", flush=True)


class Scenario:
    def __init__(self, named):
        self.named = named
        self.monitoring = Monitoring()
        self.shop = Shop(os.path.abspath("target/alerts"))
        self.target, self.receiver = Listener(TARGET), Listener(RECEIVER)

    def told(self, name, status):
        """The alerts of this name and status that arrived, in their order."""
        every = [alert for body in list(self.receiver.bodies) for alert in json.loads(body)["alerts"]]
        return [alert for alert in every if alert["labels"]["alertname"] == name and alert["status"] == status]

    def shows(self, name, fault, cure, **labels):
        """The fault raises the alert, the cure clears it."""
        if self.told(name, "firing"):
            raise Failed(f"{name} was told before its fault")
        fault()
        self.shop.wait(f"told of {name}", lambda: self.told(name, "firing"))
        alert = self.told(name, "firing")[0]
        if alert["annotations"]["runbook_url"] != self.named[name]["annotations"]["runbook_url"]:
            raise Failed(f"{name}: {alert}")
        wrong = {label: alert["labels"].get(label) for label, value in labels.items() if alert["labels"].get(label) != value}
        if wrong:
            raise Failed(f"{name}: wanted {labels}, got {wrong}")
        say(f"{name} fires: {alert['annotations']['summary']}")
        if self.told(name, "resolved"):
            raise Failed(f"{name} was resolved before its cure")
        cure()
        self.shop.wait(f"told that {name} is over", lambda: self.told(name, "resolved"))
        say(f"{name} is resolved")

    def refuse(self):
        self.target.status = 422
        self.shop.sql("shop.db", "INSERT INTO things VALUES (4, 'four')")

    def redrive(self):
        self.target.status = 200
        self.shop.call("dlq", "redrive", "shop.yaml")

    def corrupt(self):
        self.shop.sql("search.db", "DELETE FROM documents WHERE id = '1'")
        self.shop.call("verify", "shop.yaml", code=4)

    def repair(self):
        self.shop.call("repair", "shop.yaml", "--yes")
        self.shop.call("verify", "shop.yaml")

    def take_away(self):
        self.target.stop()
        self.shop.sql("shop.db", "INSERT INTO things VALUES (5, 'five')")

    def require_peace(self):
        """A pipeline in good order raises nothing."""
        scraped = 'query?query=count_over_time(syncline_build_info[1m])'
        self.shop.wait("scraped", lambda: any(int(one["value"][1]) >= 3 for one in self.monitoring.ask(scraped)["result"]))
        found = [alert["labels"] for alert in self.monitoring.ask("alerts")["alerts"]]
        if found:
            raise Failed(f"alerts of a pipeline in good order: {found}")
        evaluated = [rule["name"] for group in self.monitoring.ask("rules")["groups"] for rule in group["rules"] if rule["health"] == "ok"]
        if sorted(evaluated) != sorted(self.named):
            raise Failed(f"Prometheus evaluates {sorted(evaluated)}")

    def run(self):
        self.target.start()
        self.receiver.start()
        self.shop.start()
        self.shop.call("verify", "shop.yaml")
        rules.require_exported(self.named, self.shop.metrics())
        say("every metric of the rules is exported")
        self.monitoring.begin()
        self.require_peace()
        say("nothing is told of a pipeline in good order")
        self.shows("SynclineDeadLetters", self.refuse, self.redrive, pipeline="shop", severity="warning")
        self.shows("SynclineDrift", self.corrupt, self.repair, pipeline="shop", severity="warning")
        self.shows("SynclineTargetRetrying", self.take_away, self.target.start, pipeline="shop", sink="hook", severity="warning")
        self.shows("SynclineDown", self.shop.stop, self.shop.start, severity="critical")

    def clean_up(self):
        self.shop.stop()
        self.target.stop()
        self.monitoring.end()
        self.receiver.stop()


def main():
    try:
        named = rules.alerts()
        rules.promtool("check", "rules", "syncline.rules.yml")
        rules.promtool("test", "rules", "syncline.test.yml")
        rules.require_unit_tests(named)
        rules.require_pages(named)
        say(f"{len(named)} alerts fire and clear under promtool")
        scenario = Scenario(named)
        try:
            scenario.run()
        finally:
            scenario.clean_up()
        say("all shown")
    except Failed as fault:
        say(f"FAILED: {fault}")
        sys.exit(1)


if __name__ == "__main__":
    main()
