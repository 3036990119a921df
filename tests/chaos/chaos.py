#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A real PostgreSQL under load from `dbpool bench` while its sessions are ended, it is stopped, it is restarted.

    chaos.py TOOL KEEPER terminate|stop|restart [SECONDS]

terminate  one session every 100 ms. Each may cost at most the one request that was under way on it.
stop       the postmaster and every backend stand still for a third of the time, then go on. Nothing may fail.
restart    a crash and a start, in the middle. Requests fail while there is no server; afterwards all is as before.

In every case: the load ends on time, no place is lost, and afterwards as many connections are open as before. Exit 77: no PostgreSQL here.
"""
import json
import subprocess
import sys
import threading
import time

THREADS, SIZE = 32, 8


class Keeper:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            sys.exit(self.process.wait())

    def order(self, word):
        self.process.stdin.write(word + '\n')
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Load:
    """`dbpool bench` for some seconds; `during` runs beside it and is told when it is over."""

    def __init__(self, tool, keeper, seconds):
        self.keeper, self.seconds = keeper, seconds
        url = f'{keeper.url}&pool_size={SIZE}&pool_max_overflow=0&pool_timeout=60'
        self.command = [tool, 'bench', url, '-t', str(THREADS), '-d', f'{seconds}s', '-q', 'select 1', '--verify-after', '--quiet',
                        '--query-timeout', '60s', '--json', '-']

    def run(self, during):
        over = threading.Event()
        done = []
        side = threading.Thread(target=lambda: done.append(during(over)))
        process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        side.start()
        try:
            # A hang is a failure: everything in the load has a deadline far below this.
            out, _ = process.communicate(timeout=self.seconds * 3 + 60)
        finally:
            over.set()
            side.join()
        return process.returncode, json.loads(out), done[0]


def terminate(keeper, over, _seconds):
    ended = 0
    while not over.wait(0.1):
        ended += max(keeper.order('kill'), 0)
    return ended


def stand_still(keeper, over, seconds):
    over.wait(seconds / 3)
    keeper.order('stop')
    over.wait(seconds / 3)
    keeper.order('continue')
    return 1


def restart(keeper, over, seconds):
    over.wait(seconds / 2)
    return keeper.order('restart')


def problems(kind, code, result, done):
    failures = result['failures']
    failed = sum(f['count'] for f in failures)
    if code != 0:
        yield f'the load ended with exit code {code}'
    if not result['verify'] or not result['verify']['passed']:
        yield f'a place was lost: {result["verify"]}'
    elif result['verify']['lent_at_once'] != SIZE:
        yield f'only {result["verify"]["lent_at_once"]} of {SIZE} connections could be lent at once afterwards'
    if done < 1:
        yield 'the server was not disturbed at all'
    if kind == 'terminate' and failed > done:
        yield f'{failed} requests failed for {done} sessions ended: more than were under way'
    if kind == 'terminate' and any(not f['connection_lost'] for f in failures):
        yield 'a failure says that its connection lives'
    if kind == 'stop' and failed:
        yield f'{failed} requests failed though the server only stood still'


def main():
    tool, program, kind = sys.argv[1:4]
    seconds = int(sys.argv[4]) if len(sys.argv) > 4 else 6
    disturb = {'terminate': terminate, 'stop': stand_still, 'restart': restart}[kind]
    keeper = Keeper(program)
    try:
        code, result, done = Load(tool, keeper, seconds).run(lambda over: disturb(keeper, over, seconds))
    finally:
        keeper.close()
    print(f'{kind}: {seconds} s, disturbed {done} times, {result["completed"]} requests completed, {result["failed"]} failed')
    for failure in result['failures']:
        print(f'  {failure["count"]} x {failure["status"]} {failure["sqlstate"]}: {failure["message"]}')
    print(f'  afterwards {json.dumps(result["verify"])}')
    found = list(problems(kind, code, result, done))
    for problem in found:
        print(f'FAILED: {problem}')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
