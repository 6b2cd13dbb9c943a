"""What the rules and their unit tests must hold, read from the files; nothing runs here but promtool."""

import os
import re
import subprocess

import yaml

from acceptance.process import Failed

FOLDER = "deploy/prometheus"
RULES = f"{FOLDER}/syncline.rules.yml"
TESTS = f"{FOLDER}/syncline.test.yml"
PAGES = "docs/runbooks"


def read(path):
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


def alerts():
    """The rules by name."""
    every = [rule for group in read(RULES)["groups"] for rule in group["rules"]]
    named = {rule["alert"]: rule for rule in every}
    if len(named) != len(every) or len(named) < 10:
        raise Failed(f"{RULES}: {len(every)} rules, {len(named)} names")
    return named


def promtool(*arguments):
    done = subprocess.run(["promtool", *arguments], cwd=FOLDER, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise Failed(f"promtool {' '.join(arguments)}:\n{done.stdout}{done.stderr}")


def seconds(text):
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([smhd])", str(text)))


def require_unit_tests(named):
    """Each alert is shown not to fire yet, then to fire, then to have cleared, in one run of its series."""
    shown = set()
    for run in read(TESTS)["tests"]:
        looks = sorted(run["alert_rule_test"], key=lambda look: seconds(look["eval_time"]))
        for name in {look["alertname"] for look in looks}:
            fired = [bool(look["exp_alerts"]) for look in looks if look["alertname"] == name]
            if fired == [False, True, False]:
                shown.add(name)
    if shown != set(named):
        raise Failed(f"{TESTS}: not shown to fire and to clear: {sorted(set(named) - shown)}; no alerts: {sorted(shown - set(named))}")


def require_pages(named):
    """Each alert leads to a page that names it, all below one address, and no page is without an alert."""
    with open("Cargo.toml", encoding="utf-8") as file:
        repository = re.search(r'^repository = "(.*)"$', file.read(), re.M).group(1)
    base = f"{repository}/blob/main/{PAGES}/"
    linked = set()
    for name, rule in named.items():
        url = rule["annotations"]["runbook_url"]
        page = url.removeprefix(base)
        path = os.path.join(PAGES, page)
        if page == url or not os.path.exists(path):
            raise Failed(f"{name}: {url} leads to no page of {base}")
        with open(path, encoding="utf-8") as file:
            if f"`{name}`" not in file.read():
                raise Failed(f"{path} does not name {name}")
        linked.add(page)
        if not {"summary", "description"} <= set(rule["annotations"]) or rule["labels"].get("severity") not in ("critical", "warning"):
            raise Failed(f"{name} lacks a summary, a description or a severity")
    if linked != set(os.listdir(PAGES)):
        raise Failed(f"{PAGES}: pages without an alert: {sorted(set(os.listdir(PAGES)) - linked)}")


def require_exported(named, metrics):
    """No rule asks for a metric, or for a label of one, that a running binary does not give."""
    given = {}
    for line in metrics.splitlines():
        series = re.match(r"(syncline_\w+)\{(.*)\} ", line)
        if series:
            given.setdefault(series.group(1), set()).update(re.findall(r'(\w+)="', series.group(2)))
    for name, rule in named.items():
        for metric, selector in re.findall(r"(syncline_\w+)(?:\{([^}]*)\})?", rule["expr"]):
            lacking = set(re.findall(r"(\w+)=", selector)) - given.get(metric, set())
            if metric not in given or lacking:
                raise Failed(f"{name}: the binary exports no {metric} {sorted(lacking) or ''}; it has {sorted(given)}")
        texts = " ".join(rule["annotations"].values())
        metric = re.search(r"syncline_\w+", rule["expr"])
        lacking = set(re.findall(r"\$labels\.(\w+)", texts)) - given.get(metric.group(0), set()) if metric else set()
        if lacking - {"instance", "job"}:
            raise Failed(f"{name}: its texts show labels that {metric.group(0)} lacks: {sorted(lacking)}")


def shortened(path):
    """A copy for a run against real servers: every `for:` is one second. Windows and thresholds stay."""
    copy = read(RULES)
    for rule in (rule for group in copy["groups"] for rule in group["rules"]):
        if "for" in rule:
            rule["for"] = "1s"
    with open(path, "w", encoding="utf-8") as file:
        yaml.safe_dump(copy, file)
