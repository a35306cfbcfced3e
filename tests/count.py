#!/usr/bin/env python3
"""Adds up the cases of meson's JUnit reports, names what failed and why something was skipped, ends with the line CI reads."""

import sys
import xml.etree.ElementTree as ET

passed = failed = skipped = 0
for report in sys.argv[1:]:
    for suite in ET.parse(report).getroot().iter("testsuite"):
        for case in suite.iter("testcase"):
            name = f"{suite.get('name')}: {case.get('name')}"
            skip = case.find("skipped")
            if case.find("failure") is not None or case.find("error") is not None:
                failed += 1
                print(f"FAIL {name} ({report.split('/')[0]})")
            elif skip is not None:
                skipped += 1
                print(f"SKIP {name}: {skip.get('message') or (skip.text or '').strip() or 'see its log'}")
            else:
                passed += 1
if not sys.argv[1:] or passed == 0:
    failed += 1
    print("FAIL no test was run")
print(f"{passed} passed, {failed} failed, {skipped} skipped")
sys.exit(1 if failed else 0)
