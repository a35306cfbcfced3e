#!/usr/bin/env python3
"""The WAL archiver against pgbench at full speed. The one case of the backup engine that asks how fast this machine is: it runs alone."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from harness import tap
from harness.engine import compare_wal, pgbench, Site
from harness.processes import wait_for
from harness.tap import case, comment


@case("pgbench at full speed: lag stays under two seconds")
def _(site):
    pgbench(site, "-i", "-q", "-s", "10")
    driver = site.driver(interval=1000)
    load = pgbench(site, "-T", "15", "-c", "4", "-j", "2", "-n", background=True)
    lags = []

    def sample():
        lags.append(driver.facts()["lag_ms"])
        return load.poll() is not None
    wait_for(sample, "the end of pgbench", 60, every=0.1)
    lags.sort()
    facts = driver.wait_lsn(site.position())
    comment(f"{facts['bytes'] / 15e6:.1f} MB/s of WAL, lag ms: median {lags[len(lags) // 2]}, worst {lags[-1]}")
    assert lags[len(lags) * 9 // 10] < 2000, lags
    driver.stop()
    compare_wal(site)


if __name__ == "__main__":
    shared = Site()
    try:
        failed = tap.run(shared)
    finally:
        shared.close()
    sys.exit(1 if failed else 0)
