#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The dbpool command as its users run it, on SQLite.

usage: test_command.py DBPOOL [unittest arguments]
"""

import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import tempfile
import unittest

from command import TIMEOUT_S, TOOL, CommandTest, environment, main

WITH_SQLITE = os.environ.get("TOOL_SQLITE", "1") == "1"

LATENCY_KEYS = {"count", "min", "mean", "p50", "p90", "p99", "p999", "max"}
BENCH_KEYS = {
    "dbpool", "mode", "loop", "interrupted", "threads", "connections", "rate", "warmup_s", "think_s", "hold_s", "statements",
    "elapsed_s", "completed", "failed", "not_started", "throughput", "latency_ns", "failures", "fairness", "pool", "verify", "demo",
}
POOL_KEYS = {
    "size", "max_overflow", "open", "idle", "leased", "opening", "waiting", "detached", "checkouts", "checkins", "nested", "waits",
    "handoffs", "barged", "timeouts", "opened", "open_failed", "closed", "invalidated", "soft_invalidated", "pool_invalidated",
    "recycled", "detaches", "resets", "reset_failed", "unclean", "pings", "ping_failed", "look_failed", "wait_ns",
}
CHECK_KEYS = {"dbpool", "ok", "error", "place", "local", "connect_ms", "round_trip_ms", "facts", "pool", "warnings"}


class Usage(CommandTest):
    """Help, versions and mistakes."""

    def test_help_goes_to_standard_output(self):
        for args in (["--help"], ["-h"], ["help"], ["check", "--help"], ["bench", "-h"], ["help", "bench"]):
            out, err = self.run_tool(*args)
            self.assertTrue(out.startswith("usage: dbpool "), args)
            self.assertIn("Exit codes: 0", out)
            self.assertEqual(err, "")
            self.assertLessEqual(max(map(len, out.splitlines())), 128)

    def test_the_version_is_printed(self):
        self.assertRegex(self.run_tool("--version")[0], r"^dbpool \d+\.\d+\.\d+\n$")

    def test_nothing_at_all_is_wrong_usage(self):
        out, err = self.run_tool(code=2)
        self.assertEqual(out, "")
        self.assertIn("usage:", err)

    def test_mistakes_are_told_on_standard_error(self):
        for args, told in (
            (["chekc"], "did you mean check?"),
            (["--hlep"], "did you mean --help?"),
            (["check"], "check: a URL is missing"),
            (["bench"], "bench: a URL is missing"),
            (["check", "--jsn", "x"], "unknown option --jsn; did you mean --json?"),
            (["bench", "--threds=4", "x"], "unknown option --threds; did you mean --threads?"),
            (["bench", "-z", "x"], "unknown option -z"),
            (["bench", "-t"], "--threads: N is missing"),
            (["bench", "-t", "0", "x"], "a whole number from 1 to 10000"),
            (["bench", "-d", "soon", "x"], "--duration: a duration such as"),
            (["bench", "--rate", "-5", "x"], "--rate: a number above 0"),
            (["bench", "--rate", "5", "--think", "1s", "x"], "--think is for the closed loop"),
            (["bench", "--demo", "sqlite:x"], "--demo brings its own database"),
            (["bench", "-q", "select 1", "-f", "x", "sqlite:x"], "--query and --file"),
            (["bench", "--progress", "--quiet", "sqlite:x"], "--progress and --quiet"),
        ):
            out, err = self.run_tool(*args, code=2)
            self.assertEqual(out, "")
            self.assertTrue(err.startswith("dbpool: "), err)
            self.assertIn(told, err)
            self.assertIn("--help'", err)

    def test_a_password_in_the_wrong_place_is_not_repeated(self):
        url = "postgresql://u:s3kret@db.invalid/x"
        for args in ([url], ["check", url, url], ["bench", "-t", url], ["bench", "--" + url], ["bench", "--json=" + url, "-x"],
                     ["bench", "-d", url, "x"], ["check", url + "?s3kret=s3kret"], ["chekc", url], ["-" + url]):
            done = subprocess.run([TOOL, *args], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
            self.assertNotEqual(done.returncode, 0)
            if not args[-1].endswith("=s3kret"):
                self.assertNotIn("s3kret", done.stdout + done.stderr, args)

    def test_a_scheme_without_driver_is_a_failure(self):
        for command in ("check", "bench"):
            out, err = self.run_tool(command, "nosuch://u:s3kret@h/x", code=1)
            self.assertEqual(out, "")
            self.assertTrue(err.startswith("dbpool: "), err)
            self.assertNotIn("s3kret", err)


class OnSqlite(CommandTest):
    """A database file in a directory of its own."""

    def setUp(self):
        if not WITH_SQLITE:
            self.skipTest("built without SQLite")
        place = tempfile.TemporaryDirectory(prefix="dbpool-test-")
        self.addCleanup(place.cleanup)
        self.directory = place.name
        self.file = os.path.join(place.name, "test.db")
        self.url = "sqlite:" + self.file
        database = sqlite3.connect(self.file)
        database.executescript("pragma journal_mode = wal; create table t (x integer primary key); insert into t values (1);")
        database.close()

    def bench(self, *args, **more):
        return self.run_tool("bench", self.url, "-t", 4, "-c", 2, "-d", "200ms", *args, **more)

    def bench_json(self, *args, **more):
        return json.loads(self.bench("--json", "-", *args, **more)[0])


class Check(OnSqlite):
    def test_it_tells_what_the_database_is(self):
        out, err = self.run_tool("check", self.url)
        self.assertRegex(out, r"(?m)^server +SQLite \d")
        self.assertRegex(out, r"(?m)^connect +[\d.]+ [nums]+$")
        self.assertRegex(out, r"(?m)^round trip +[\d.]+ [nums]+ min, [\d.]+ [nums]+ median of \d+$")
        self.assertIn(self.file, out)
        self.assertTrue(out.endswith("fine\n"))
        self.assertEqual(err, "")

    def test_its_json_is_complete(self):
        got = self.run_json("check", self.url + "?pool_size=7&pool_recycle=5min&pool_pre_ping=yes", "--json")
        self.assertEqual(set(got), CHECK_KEYS)
        self.assertTrue(got["ok"])
        self.assertEqual(got["pool"], {"size": 7, "max_overflow": 10, "timeout_ms": 30000, "recycle_ms": 300000, "pre_ping": True})
        self.assertLessEqual(got["round_trip_ms"]["min"], got["round_trip_ms"]["median"])
        self.assertEqual(got["warnings"], [])

    def test_what_cannot_be_opened_is_a_failure(self):
        url = "sqlite:" + os.path.join(self.directory, "none", "test.db")
        out, err = self.run_tool("check", url, code=1)
        self.assertEqual(out, "")
        self.assertRegex(err, r"^dbpool: .+: .+\n$")
        got = self.run_json("check", url, "--json", code=1)
        self.assertFalse(got["ok"])
        self.assertTrue(got["error"]["status"].startswith("DBPOOL_E"))
        self.assertIn(got["error"]["message"], err)

    def test_a_wrong_option_is_named(self):
        _, err = self.run_tool("check", self.url + "?pool_sise=7", code=1)
        self.assertIn("pool_sise", err)


class Bench(OnSqlite):
    def test_its_text_has_every_part(self):
        out, err = self.bench()
        for part in ("throughput", "latency", "wait", "query", "response", "fairness", "checkouts", "closed loop"):
            self.assertIn(part, out)
        self.assertIn("dbpool: 4 threads over at most 2 connections", out)
        self.assertEqual(err, "")

    def test_its_json_is_complete_and_adds_up(self):
        got = self.bench_json("--verify-after")
        self.assertEqual(set(got), BENCH_KEYS)
        self.assertEqual(set(got["pool"]), POOL_KEYS)
        self.assertEqual(set(got["latency_ns"]), {"wait", "query", "response"})
        self.assertEqual((got["mode"], got["loop"], got["threads"], got["connections"]), ("pool", "closed", 4, 2))
        self.assertGreater(got["completed"], 0)
        self.assertEqual((got["failed"], got["not_started"], got["failures"], got["demo"]), (0, 0, [], None))
        for latency in got["latency_ns"].values():
            self.assertEqual(set(latency), LATENCY_KEYS)
            self.assertEqual(latency["count"], got["completed"])
            steps = [latency[key] for key in ("min", "p50", "p90", "p99", "p999", "max")]
            self.assertEqual(steps, sorted(steps))
        self.assertLessEqual(got["fairness"]["least"], got["fairness"]["most"])
        self.assertEqual(got["pool"]["checkouts"], got["pool"]["checkins"])
        self.assertLessEqual(got["pool"]["open"], 2)
        self.assertTrue(got["verify"]["passed"])
        self.assertEqual((got["verify"]["leased"], got["verify"]["lent_at_once"], got["verify"]["limit"]), (0, 2, 2))

    def test_json_in_a_file_comes_beside_the_text(self):
        name = os.path.join(self.directory, "result.json")
        out, _ = self.bench("--json", name)
        self.assertIn("throughput", out)
        with open(name, encoding="utf-8") as file:
            self.assertEqual(set(json.load(file)), BENCH_KEYS)

    def test_a_result_that_cannot_be_written_is_a_failure(self):
        _, err = self.bench("--json", os.path.join(self.directory, "none", "x"), code=1)
        self.assertIn("No such file or directory", err)
        with open("/dev/full", "w", encoding="utf-8") as full:
            _, err = self.bench(stdout=full, code=1)
            self.assertIn("write the result: ", err)
            self.run_tool("--help", stdout=full, code=1)

    def test_statements_run_in_order_on_one_lease(self):
        script = "begin; -- a comment; here\ninsert into t values (null); select 'a;b'; commit;"
        name = os.path.join(self.directory, "script.sql")
        with open(name, "w", encoding="utf-8") as file:
            file.write(script)
        parts = ["begin", "insert into t values (null)", "select 'a;b'", "commit"]
        # One connection, so that no insert waits for another's lock.
        by_file = self.bench_json("-f", name, "-c", 1)
        by_input = self.bench_json("-f", "-", "-c", 1, text=script)
        by_query = self.bench_json("-c", 1, *[word for part in parts for word in ("-q", part)])
        for got in (by_file, by_input, by_query):
            self.assertTrue(got["statements"][0].startswith("begin"))
            self.assertEqual(got["failed"], 0)
        self.assertEqual(by_query["statements"], parts)
        rows = sqlite3.connect(self.file).execute("select count(*) from t").fetchone()[0]
        self.assertEqual(rows, 1 + by_file["completed"] + by_input["completed"] + by_query["completed"])

    def test_a_script_that_is_none_is_a_failure(self):
        for text, told in (("-- nothing\n;", "it holds no statement"), ("select 'x", "has no end")):
            _, err = self.bench("-f", "-", text=text, code=1)
            self.assertIn(told, err)
        _, err = self.bench("-f", os.path.join(self.directory, "none"), code=1)
        self.assertIn("No such file", err)

    def test_failures_are_counted_by_kind(self):
        got = self.bench_json("-q", "select * from nowhere", code=1)
        self.assertEqual(got["completed"], 0)
        self.assertEqual(len(got["failures"]), 1)
        self.assertEqual(got["failures"][0]["count"], got["failed"])
        self.assertEqual(got["failures"][0]["status"], "DBPOOL_EDRIVER")
        self.assertIn("no such table: nowhere", got["failures"][0]["message"])
        out, err = self.bench("-q", "select * from nowhere", code=1)
        self.assertIn("no such table: nowhere", out)
        self.assertIn("not one request succeeded", err)

    def test_a_rate_counts_each_request_that_was_due(self):
        got = self.bench_json("--rate", 500)
        self.assertEqual((got["loop"], got["rate"]), ("open", 500))
        counted = got["completed"] + got["failed"] + got["not_started"]
        self.assertLessEqual(abs(counted - got["elapsed_s"] * 500), 2)

    def test_a_rate_that_cannot_be_kept_shows(self):
        got = self.bench_json("--rate", 1000, "--hold", "20ms", "-t", 2)
        self.assertGreater(got["not_started"], 0)
        counted = got["completed"] + got["failed"] + got["not_started"]
        self.assertLessEqual(abs(counted - got["elapsed_s"] * 1000), 4)
        # The last to begin had been due long before: its delay is in its times.
        self.assertGreater(got["latency_ns"]["response"]["max"], 100e6)

    def test_raw_does_without_the_pool(self):
        got = self.bench_json("--raw")
        self.assertEqual((got["mode"], got["connections"], got["pool"]), ("raw", 2, None))
        self.assertGreater(got["completed"], 0)
        self.assertIn("no dbpool", self.bench("--raw")[0])

    def test_lines_of_progress_are_asked_for(self):
        _, err = self.bench("--progress", "-d", "1100ms")
        self.assertRegex(err, r"(?m)^ +1 s +\d+/s  p50 +[\d.]+ [nums]+  p99 +[\d.]+ [nums]+  open \d+  leased \d+  waiting \d+$")


class Interrupted(OnSqlite):
    def test_an_interrupt_ends_the_run_and_prints_the_result(self):
        process = self.start_tool("bench", self.url, "-d", "60s", "--progress")
        self.assertIn("/s", process.stderr.readline())
        process.send_signal(signal.SIGINT)
        out, _ = self.finish(process, 0)
        self.assertIn("interrupted: what was measured until then", out)
        self.assertIn("throughput", out)

    def test_an_interrupted_result_says_so_in_json(self):
        process = self.start_tool("bench", self.url, "-d", "60s", "--progress", "--json", "-")
        process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        got = json.loads(self.finish(process, 0)[0])
        self.assertTrue(got["interrupted"])
        self.assertLess(got["elapsed_s"], 60)

    def test_nothing_measured_is_130(self):
        process = self.start_tool("bench", self.url, "--warmup", "60s", "--progress")
        self.assertEqual(process.stderr.readline(), "warming up\n")
        process.send_signal(signal.SIGINT)
        out, err = self.finish(process, 130)
        self.assertEqual(out, "")
        self.assertIn("interrupted before anything was measured", err)

    def test_a_second_interrupt_ends_the_program(self):
        holder = sqlite3.connect(self.file, isolation_level=None, timeout=60)
        self.addCleanup(holder.close)
        process = self.start_tool("bench", self.url + "?busy_timeout=2min", "-d", "60s", "-t", 1, "--think", "10ms", "--progress", "-q", "insert into t values (null)")
        process.stderr.readline()
        holder.execute("begin immediate")
        process.stderr.readline()
        process.stderr.readline()  # nobody gets on now
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=0.05)
            except subprocess.TimeoutExpired:
                pass
        self.assertEqual(process.returncode, -signal.SIGINT)


class Demo(CommandTest):
    def setUp(self):
        if not WITH_SQLITE:
            self.skipTest("built without SQLite")
        place = tempfile.TemporaryDirectory(prefix="dbpool-test-")
        self.addCleanup(place.cleanup)
        self.directory = place.name

    def test_every_acknowledged_row_is_found(self):
        out, _ = self.run_tool("bench", "--demo", "-d", "500ms", TMPDIR=self.directory)
        match = re.search(r"(?m)^check passed: (\d+) rows acknowledged, (\d+) rows found$", out)
        self.assertTrue(match, out)
        self.assertEqual(match[1], match[2])
        self.assertGreater(int(match[1]), 0)
        self.assertEqual(os.listdir(self.directory), [])

    def test_its_json_holds_the_proof(self):
        got = self.run_json("bench", "--demo", "-d", "300ms", "--json", "-", "--verify-after", TMPDIR=self.directory)
        self.assertEqual(set(got), BENCH_KEYS)
        self.assertTrue(got["demo"]["passed"] and got["verify"]["passed"])
        self.assertEqual(got["demo"]["acknowledged"], got["demo"]["found"])

    def test_it_checks_what_was_written_when_interrupted(self):
        process = self.start_tool("bench", "--demo", "-d", "60s", "--progress")
        process.stderr.readline()
        process.send_signal(signal.SIGINT)
        self.assertIn("check passed: ", self.finish(process, 0)[0])

    def test_a_place_that_cannot_be_made_is_a_failure(self):
        _, err = self.run_tool("bench", "--demo", code=1, TMPDIR=os.path.join(self.directory, "none"))
        self.assertIn("make a directory", err)


class Terminal(OnSqlite):
    """On a pseudo-terminal: colours and the live line."""

    def on_terminal(self, *args, **env):
        master, slave = pty.openpty()
        process = subprocess.Popen([TOOL, *args], stdin=slave, stdout=slave, stderr=slave, env=environment(**env))
        self.addCleanup(self.end, process)
        os.close(slave)
        printed = b""
        try:
            while chunk := os.read(master, 65536):
                printed += chunk
        except OSError:  # the other end is closed
            pass
        os.close(master)
        self.assertEqual(process.wait(timeout=TIMEOUT_S), 0, printed)
        return printed.decode()

    def test_colours_are_used_unless_refused(self):
        self.assertIn("\033[1m", self.on_terminal("check", self.url))
        self.assertNotIn("\033[", self.on_terminal("check", self.url, NO_COLOR="1"))
        self.assertNotIn("\033[", self.on_terminal("check", self.url, TERM="dumb"))
        self.assertIn("\033[", self.on_terminal("check", self.url, NO_COLOR=""))

    def test_a_line_of_each_second_stays_in_place(self):
        printed = self.on_terminal("bench", self.url, "-d", "1100ms", NO_COLOR="1")
        self.assertRegex(printed, r"\r +1 s +\d+/s.*\033\[K\r\033\[K")
        self.assertNotIn("/s  p50", self.on_terminal("bench", self.url, "-d", "1100ms", "--quiet"))


if __name__ == "__main__":
    main()
