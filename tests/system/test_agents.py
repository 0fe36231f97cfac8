#!/usr/bin/env python3
"""User-Agents come out as the tests of uap-core say: its test_ua.yaml, test_os.yaml and test_device.yaml, read where
they lie beside the checkout."""

import json
import os
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from user_agents import InOrder, read_yaml  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data" / "uap-core"
LUOT = ROOT / os.environ.get("LUOT_BIN", "build/release/luot")
PARSE = LUOT.with_name("luot_parse_agents")
LEAST = 0.99  # of the cases


def cases_of(name):
    cases = read_yaml(DATA / f"test_{name}.yaml")["test_cases"]
    # Of another kind: it needs what a script in the page has found out.
    return [case for case in cases if "js_ua" not in case]


def run(user_agents, *options):
    text = "".join(user_agent + "\n" for user_agent in user_agents)
    return subprocess.run([PARSE, *options], input=text.encode(), capture_output=True, check=True, timeout=300)


def parsed(user_agents):
    lines = run(user_agents).stdout.decode(errors="surrogateescape").splitlines()
    return [json.loads(line) for line in lines]


class Parser(unittest.TestCase):
    def setUp(self):
        if not DATA.is_dir():
            self.skipTest(f"{DATA} is not there: the User-Agents of uap-core's own tests are skipped")

    def assert_as_the_file_says(self, name, part):
        cases = cases_of(name)
        self.assertGreater(len(cases), 400)
        answers = parsed(case["user_agent_string"] for case in cases)
        self.assertEqual(len(answers), len(cases))
        wrong = []
        for case, answer in zip(cases, answers):
            said = {key: value or "" for key, value in case.items() if key != "user_agent_string"}
            found = {key: answer[part][key] for key in said}
            if found != said:
                wrong.append(f"{case['user_agent_string']}\n  should be {said}\n  is        {found}")
        share = 1 - len(wrong) / len(cases)
        print(f"test_{name}.yaml: {len(cases) - len(wrong)} of {len(cases)} User-Agents right ({share:.2%})", flush=True)
        if wrong:
            print("\n".join(wrong[:10]), flush=True)
        self.assertGreaterEqual(share, LEAST)

    def test_browsers_and_their_versions(self):
        self.assert_as_the_file_says("ua", "browser")

    def test_systems_and_their_versions(self):
        self.assert_as_the_file_says("os", "system")

    def test_devices_brands_and_models(self):
        self.assert_as_the_file_says("device", "device")

    def test_the_same_as_rule_after_rule(self):
        """Whatever the files say: the filter before the rules changes nothing."""
        reference = InOrder()
        user_agents = [case["user_agent_string"]
                       for case in cases_of("ua") + cases_of("os") + cases_of("device")[::20]]
        for user_agent, answer in zip(user_agents, parsed(user_agents)):
            del answer["counted"]
            self.assertEqual(answer, reference.parse(user_agent), user_agent)
        print(f"{len(user_agents)} User-Agents parsed as by rule after rule", flush=True)

    def test_what_is_counted_is_the_family_and_one_of_five_classes(self):
        cases = cases_of("ua") + cases_of("os")
        classes = {}
        for case, answer in zip(cases, parsed(case["user_agent_string"] for case in cases)):
            counted = answer["counted"]
            self.assertEqual(counted["browser"], answer["browser"]["family"], case)
            self.assertEqual(counted["os"], answer["system"]["family"], case)
            classes[counted["device"]] = classes.get(counted["device"], 0) + 1
        print("classes of devices:", classes, flush=True)
        self.assertEqual(set(classes), {"desktop", "mobile", "tablet", "tv", "other"})


if __name__ == "__main__":
    unittest.main(verbosity=2)
