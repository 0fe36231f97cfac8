#!/usr/bin/env python3
"""Random schedules of every fault that luot promises to survive, driven against the real ship.lua, ask.lua
and apply.lua on a real redis-server. The shipper and the aggregator are played here, after the protocol
of docs/exactly-once.md; what is under test is that the scripts keep it.

Faults: replies lost; collectors killed, and with power lost (the unsynced tail of the log is gone); a
collector cut off for long; Redis away; Redis falling back to an earlier state; aggregators stalled, killed,
several at once; clients repeating a hit, at another collector; Redis emptied or falling back beyond the
spool's retention (then lost hits must be declared, one for one); spools copied to other collectors, and logs
retired that somebody still has.

    test_protocol.py                              all tests
    test_protocol.py --runs 500 --first-seed 0    more schedules
    test_protocol.py --mutate ship-compare        takes one check out of a script, in memory, and succeeds
                                                  only when a schedule notices it
"""

import argparse
import copy
import hashlib
import json
import random
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import LIGHT, ROOT, World, has_failed, redis  # noqa: E402

SITE = "a"
PARTITIONS = (0, 9)
STEP_MS = 60_000  # a step of a schedule: BUCKET of them are the ten minutes of a set of ids
RETAIN, WINDOW, BUCKET = 60, 40, 10  # in steps; ids are kept in sets of BUCKET steps
TOMBSTONE = 4 * RETAIN  # an emptied log's name goes on asking for so long
STEPS = 400

SCRIPTS = {
    "ship": ROOT / "collector" / "ship.lua",
    "ask": ROOT / "collector" / "ask.lua",
    "apply": ROOT / "aggregator" / "apply.lua",
    "settle": ROOT / "aggregator" / "settle.lua",
    "tidy": ROOT / "aggregator" / "tidy.lua",
    "retire": ROOT / "collector" / "retire.lua",
}
STEPS_LUA = ROOT / "aggregator" / "steps.lua"  # stands before apply.lua and settle.lua
DAY = 24 * 3600 * 1000

# name -> (script, [(text of the check, what stands there instead)])
SHIP_COMPARE = ("if shipped ~= prev then", "if false then")
CHAIN_COMPARE = ("if prev_chain ~= '' and known ~= '' and prev_chain ~= known then", "if false then")
MUTATIONS = {
    "ship-compare": ("ship", [SHIP_COMPARE]),
    "ship-compares": ("ship", [SHIP_COMPARE, CHAIN_COMPARE]),
    "ship-lost": ("ship", [("if gone > 0 then", "if false then")]),
    "retire-forgets": ("retire", [("if shipped ~= '0' then", "if false then")]),
    "tidy-forgets": ("tidy", [("if p.shipped and p.shipped ~= '0' then", "if false then")]),
    "ask-forgets": ("ask", [("local before = not is_known and redis.call('HGET', retired, producer)", "local before = nil")]),
    "ship-forgets": ("ship", [("local before = not held[1] and redis.call('HGET', retired, producer)", "local before = nil")]),
    "apply-head": ("apply", [("if #first == 0 or first[1][1] ~= head then", "if #first == 0 then")]),
    "apply-upto": (
        "apply",
        [("if head ~= upto and #redis.call('XRANGE', stream, upto, upto, 'COUNT', 1) == 0 then",
          "if false then")],
    ),
    "apply-tip": ("apply", [("redis.call('HGET', producers, 'tip') ~= ARGV[5]", "false")]),
    "apply-trim": ("apply", [("redis.call('XTRIM', stream, 'MINID', '=', after)", "")]),
    "settle-last": ("settle", [(" or not stands(count - 1, ARGV[4])", "")]),
    "settle-trim": ("settle", [("end\nredis.call('LTRIM', list, count, -1)\nreturn 'ok'", "end\nreturn 'ok'")]),
    "apply-offsets": ("apply", [("later_pairs('HSET', producers, new)", "")]),
}


def script_text(name, mutation=None):
    text = (STEPS_LUA.read_text() if name in ("apply", "settle") else "") + SCRIPTS[name].read_text()
    if mutation and MUTATIONS[mutation][0] == name:
        for check, instead in MUTATIONS[mutation][1]:
            if text.count(check) != 1:
                raise AssertionError(f"{SCRIPTS[name].name} holds {text.count(check)} times the check "
                                     f"{check!r}: name it anew in MUTATIONS")
            text = text.replace(check, instead)
    return text


def key(part, *names):
    return ":".join((f"luot:{{p{part:02}}}", *map(str, names)))


class Store:
    """The real Redis, with what the schedules do to it: remember a state, fall back to it, be emptied."""

    def __init__(self, client, mutation=None):
        self.client, self.up, self.answered, self.history = client, True, 0, []
        self.rows_rng = random.Random(0)  # of its own: what becomes of rows changes no schedule of hits
        client.flushall()
        self.scripts = {name: client.register_script(script_text(name, mutation)) for name in SCRIPTS}
        for script in self.scripts.values():
            client.script_load(script.script)

    def run(self, name, keys, arguments):
        return self.client.evalsha(self.scripts[name].sha, len(keys), *keys, *arguments)

    def remember(self, reach):
        names = self.client.keys("*")
        pipe = self.client.pipeline(transaction=False)
        for name in names:
            pipe.dump(name)
        state = dict(zip(names, pipe.execute()))
        self.history = [h for h in self.history if self.answered - h[0] < reach] + [(self.answered, state)]

    def fall_back(self, state):
        pipe = self.client.pipeline(transaction=True)
        pipe.flushall()
        for name, dump in state.items():
            pipe.restore(name, 0, dump)
        pipe.execute()

    def empty(self):
        self.client.flushall()
        self.history = []

    def producers(self, part):
        return {k.decode(): v.decode() for k, v in self.client.hgetall(key(part, "producers")).items()}

    def retire(self, part, producer):
        self.run("retire", [key(part, "producers"), key(part, "retired")], [producer])


class Part:
    """One log's hits of one partition. `base` is the offset before the first hit still held; `chains[i]`
    is the checksum over everything up to offset first_chain + i."""

    def __init__(self):
        self.hits, self.base, self.cursor, self.confirmed, self.learned = [], 0, None, {}, None
        self.chains = [""]

    def end(self):
        return self.base + len(self.hits)

    def chain(self, offset):
        at = offset - self.base
        return self.chains[at] if 0 <= at < len(self.chains) else ""

    def append(self, hit):
        self.hits.append(hit)
        before = self.chains[-1]
        self.chains.append(hashlib.sha1((before + json.dumps(hit)).encode()).hexdigest()[:16])

    def drop_first(self):
        self.hits.pop(0)
        self.chains.pop(0)
        self.base += 1

    def cut_last(self):
        self.chains.pop()
        return self.hits.pop()


class Log:
    def __init__(self, rng):
        self.producer = f"{rng.getrandbits(64):016x}"
        self.parts = {part: Part() for part in PARTITIONS}
        self.emptied_at = None

    def is_empty(self):
        return not any(p.hits for p in self.parts.values())


class Collector:
    def __init__(self, rng):
        self.logs = [Log(rng)]

    def record(self, part, hit):
        self.logs[-1].parts[part].append(hit)

    def copied(self, rng):
        """Another collector, begun on a copy of this one's disk."""
        other = Collector(rng)
        other.logs = copy.deepcopy(self.logs) + other.logs
        other.forget()
        return other

    def forget(self):
        for log in self.logs:
            for held in log.parts.values():
                held.cursor, held.confirmed = None, {}

    def crash(self, rng, power):
        """Forgets all but the disk; returns the hits that went with an unsynced tail. Nothing is ever
        written behind an old tail: a new log begins."""
        gone = []
        for held in self.logs[-1].parts.values():
            for _ in range(min(len(held.hits), rng.randint(0, 2)) if power else 0):
                gone.append(held.cut_last()[0])
        self.forget()
        self.logs.append(Log(rng))
        return gone

    def step(self, store, rng, now, tombstone=TOMBSTONE):
        for part in PARTITIONS:
            idle = []
            for log in self.logs:
                held = log.parts[part]
                if held.cursor is None or held.cursor >= held.end():
                    idle.append(log)  # all shipped as far as it knows, or it does not know yet
                else:
                    self.ship(store, rng, log, part)
            self.ask(store, rng, now, part, idle)
        for log in list(self.logs[:-1]):
            if log.is_empty():
                log.emptied_at = store.answered if log.emptied_at is None else log.emptied_at
                # A name goes only when Redis has just said that all of the log is there or declared.
                is_done = all(p.cursor is not None and p.learned == store.answered and p.cursor >= p.end()
                              for p in log.parts.values())
                if is_done and store.answered - log.emptied_at > tombstone:
                    self.logs.remove(log)
                    for part in PARTITIONS:
                        store.retire(part, log.producer)

    def ask(self, store, rng, now, part, logs):
        arguments = [now * STEP_MS]
        for log in logs:
            held = log.parts[part]
            is_told = log is self.logs[-1] or held.cursor == held.end()
            arguments += [log.producer, held.end() if is_told else "?"]
        answer = store.run("ask", [key(part, "producers"), key(part, "retired")], arguments)
        for at, log in enumerate(logs):
            self.learn(store, rng, log.parts[part], int(answer[4 * at]))

    def ship(self, store, rng, log, part):
        held = log.parts[part]
        lost = max(0, held.base - held.cursor)
        begin = max(held.cursor, held.base)
        batch = held.hits[begin - held.base:][:rng.randint(1, 5)]
        last = begin + len(batch)
        bound = 1 if rng.random() < 0.05 else 1 << 30
        answer = store.run("ship", [key(part, n) for n in ("hits", "producers", "retired")], [
            log.producer, held.cursor, last, lost, held.chain(held.cursor), held.chain(last),
            rng.getrandbits(53), bound, 1, json.dumps(batch)])
        status = answer[0].decode()
        if status not in ("ok", "moved", "full"):
            raise Broken(f"ship answered {status} to a log that nobody copied")
        self.learn(store, rng, held, int(answer[1]))

    @staticmethod
    def learn(store, rng, held, shipped):
        """The shipper goes on from what Redis answers, ahead or behind, unless the reply is lost."""
        if rng.random() < 0.15:
            return
        held.cursor, held.learned = shipped, store.answered
        for offset in [o for o in held.confirmed if o > shipped]:
            del held.confirmed[offset]  # Redis fell back: no longer confirmed
        for offset in range(held.base + 1, min(shipped, held.end()) + 1):
            held.confirmed.setdefault(offset, store.answered)
        while held.hits and store.answered - held.confirmed.get(held.base + 1, store.answered) > RETAIN:
            held.confirmed.pop(held.base + 1)  # counted only in time in which Redis answered
            held.drop_first()


class Text:
    """An access log, which grows. A line holds a hit or none; each offset has a checksum of all lines up to it."""

    def __init__(self, rng, part):
        self.producer, self.part, self.lines, self.chains = f"{rng.getrandbits(64):016x}", part, [], [""]

    def append(self, hit):
        self.lines.append(hit)
        self.chains.append(hashlib.sha256(f"{self.chains[-1]} {hit}".encode()).hexdigest()[:16])


class Importer:
    """A run of an import: it goes on where Redis says, in entries of its own cut, once the checksum there is that of the
    text. It knows nothing of the runs before it, which may still be at work."""

    def __init__(self, text):
        self.text, self.cursor = text, None

    def step(self, store, rng, now):
        text = self.text
        end = len(text.lines)
        if self.cursor is None or self.cursor >= end:
            ending = end if self.cursor == end else "?"
            shipped, _, chain, _ = store.run("ask", [key(text.part, "producers"), key(text.part, "retired")],
                                             [now * STEP_MS, text.producer, ending])
            self.compare(int(shipped), chain.decode())
            if self.cursor == end == int(shipped) and rng.random() < 0.3:
                store.retire(text.part, text.producer)  # it has ended
            if rng.random() >= 0.15:
                self.cursor = int(shipped)
            return
        last = min(end, self.cursor + rng.randint(1, 6))
        batch = [hit for hit in text.lines[self.cursor:last] if hit]
        bound = 1 if rng.random() < 0.05 else 1 << 30
        status, shipped, _, chain = store.run("ship", [key(text.part, n) for n in ("hits", "producers", "retired")], [
            text.producer, self.cursor, last, 0, text.chains[self.cursor], text.chains[last], rng.getrandbits(53), bound, 1,
            json.dumps(batch)])
        if status not in (b"ok", b"moved", b"full"):
            raise Broken(f"ship answered {status} to an import")
        self.compare(int(shipped), chain.decode())
        if rng.random() >= 0.15:  # else the answer was lost
            self.cursor = int(shipped)

    def compare(self, shipped, chain):
        if shipped > len(self.text.lines) or chain != self.text.chains[shipped]:
            raise Broken(f"Redis says that it has another text at line {shipped}")


class Memory:
    """What an aggregator knows of a partition as of the entry applied last: the ids of sets that it has seen begin."""

    def __init__(self):
        self.tip, self.sets = "", {}

    def applied(self, upto, new_ids, before):
        self.tip = upto
        for bucket, members in new_ids.items():
            if bucket in self.sets or bucket not in before:
                self.sets.setdefault(bucket, set()).update(members)


class Settler:
    """Writes the rows of breakdowns that wait, as row_settler does: reads the first tallies, puts them together,
    adds the first. Each call may come late, after others and after a fall-back."""

    def __init__(self):
        self.work = None

    def step(self, store, rng, stall):
        if self.work is not None:
            if rng.random() >= stall:
                store.run("settle", *self.work)
                self.work = None
            return
        part = rng.choice(PARTITIONS)
        waiting = store.client.lrange(key(part, "tallies"), 0, rng.randint(0, 4))
        if not waiting:
            return
        keys = [key(part, "tallies")]
        if len(waiting) == 1 and rng.random() < 0.5:
            self.work = [*keys, *row_keys(part)], ["add", 1, waiting[0][:8], waiting[0][:8], *rows(2, json.loads(waiting[0][8:]))]
            return
        together = {}
        for tallies in waiting:
            for page, n in json.loads(tallies[8:]).items():
                together[page] = together.get(page, 0) + n
        pages, cut = sorted(together), rng.randint(0, len(together))
        parts = [{p: together[p] for p in half} for half in (pages[:cut], pages[cut:]) if half]
        self.work = keys, ["merge", len(waiting), waiting[0][:8], waiting[-1][:8], *(encoded(rng, part) for part in parts)]


def row_keys(part):
    return [key(part, SITE, "day:2021-07-26"), key(part, SITE, "day:2021-07-26:pages")]


def rows(first_key, pages):
    """The step that adds to a day's rows, whose keys stand there."""
    return ["C", first_key + 1, first_key, "rows:pages", 10_000, 0, len(pages), *(x for p, n in pages.items() for x in (p, n))]


def encoded(rng, pages):
    return f"{rng.getrandbits(32):08x}{json.dumps(pages)}"


class Aggregator:
    def __init__(self, name):
        self.name, self.work, self.memory = name, None, {part: Memory() for part in PARTITIONS}

    def step(self, store, rng, stall):
        if self.work is not None:
            if rng.random() >= stall:
                part, upto, new_ids, before, call = self.work
                if store.run("apply", *call) == b"ok" and rng.random() >= 0.15:
                    self.memory[part].applied(upto, new_ids, before)
                else:  # somebody else was first, or the answer was lost
                    self.memory[part] = Memory()
                self.work = None
            return
        self.read(store, rng, rng.choice(PARTITIONS))

    @staticmethod
    def tidy(store, part, retire_after=8 * DAY):
        """In time of the run: ten minutes of the script are BUCKET steps of it."""
        sets = [int(t) for t in store.client.zrange(key(part, "ids"), 0, -1)]
        keys = [key(part, "producers"), key(part, "ids"), key(part, "retired"), *(key(part, "ids", t) for t in sets),
                key(part, SITE, "seen"), key(part, SITE, "visits")]
        store.run("tidy", keys, [WINDOW * STEP_MS, WINDOW * STEP_MS, DAY, retire_after, 100, 0, *sets])

    def read(self, store, rng, part):
        client = store.client
        self.tidy(store, part)
        batch = client.xrange(key(part, "hits"), count=rng.randint(1, 4))
        if not batch:
            return
        sets = client.zrange(key(part, "ids"), 0, -1)
        memory, before = self.memory[part], {int(name) for name in sets}
        memory.sets = {bucket: ids for bucket, ids in memory.sets.items() if bucket in before}
        entries = [(fields[b"p"].decode(), int(fields[b"l"]), json.loads(fields[b"h"])) for _, fields in batch]
        ids = sorted({hit[1] for _, _, hits in entries for hit in hits if hit[1]})
        known = set()
        if ids:
            pipe = client.pipeline(transaction=False)
            known.update(i for i in ids if any(i in held for held in memory.sets.values()))
            for name in (name for name in sets if int(name) not in memory.sets):
                pipe.smismember(key(part, "ids", name.decode()), [f"{i:<8}" for i in ids])
            for answer in pipe.execute():
                known.update(i for i, is_in in zip(ids, answer) if is_in)

        pages, new_ids, offsets, watermarks = {}, {}, {}, {}
        for producer, last, hits in entries:
            offsets[producer] = last
            for hit, hit_id, at in hits:
                watermarks[producer] = max(watermarks.get(producer, 0), at * STEP_MS)
                if hit_id:
                    if hit_id in known:
                        continue
                    known.add(hit_id)
                    new_ids.setdefault(at // BUCKET, []).append(hit_id)
                pages[f"/{hit}"] = pages.get(f"/{hit}", 0) + 1
        keys = [key(part, n) for n in ("hits", "producers", "ids", "lease")]
        steps = []

        def index(*names):
            name = key(part, *names)
            if name not in keys:
                keys.append(name)
            return keys.index(name) + 1

        views = sum(pages.values())
        if views:
            totals, day, month = (index(SITE, n) for n in ("totals", "day:2021-07-26", "month:2021-07"))
            for at in (totals, day, month):
                steps += ["H", at, 1, "views", views]
            steps += ["Z", index(SITE, "pages"), len(pages), *(x for p, n in pages.items() for x in (p, n))]
            visitors = [f"v{int(p[1:]) % 50}" for p in pages]
            steps += ["P", index(SITE, "day:2021-07-26:visitors"), day, month, totals, packed(visitors)]
        for bucket, members in new_ids.items():
            steps += ["S", index("ids", bucket), 3, bucket, packed(members)]
        if watermarks:
            steps += ["G", index(SITE, "seen"), "".join(f"{at:016}" for at in watermarks.values()),
                      packed(p[:8] for p in watermarks)]
        steps += ["O", len(offsets), *(x for p, o in offsets.items() for x in (p, o, watermarks.get(p, 0)))]
        if views and (store.client.exists(key(part, "tallies")) or store.rows_rng.random() < 0.7):
            steps += ["R", index("tallies"), encoded(store.rows_rng, pages)]
        elif views:
            first = len(keys) + 1
            day_key, rows_key = row_keys(part)
            if day_key in keys:
                keys.append(rows_key)
                steps += ["C", len(keys), keys.index(day_key) + 1, *rows(first, pages)[3:]]
        steps += ["L", self.name, 1000]
        upto = batch[-1][0].decode()
        size = sum(len(fields[b"h"]) for _, fields in batch)
        call = keys, [batch[0][0], upto, id_after(upto), size, memory.tip, *steps]
        self.work = part, upto, new_ids, before, call


def packed(members):
    """Members of eight bytes each, as the scripts take them."""
    return "".join(f"{m:<8}" for m in members)


def id_after(entry_id):
    ms, number = entry_id.split("-")
    return f"{ms}-{int(number) + 1}"


class Broken(AssertionError):
    """A schedule in which the protocol did not hold."""


def run_schedule(client, seed, reach, emptied, copies=0, mutation=None, stall=0.7, texts=0):
    """reach: how far back, in answered steps, Redis may fall. Within RETAIN nothing may be lost; beyond,
    or emptied, only what is declared. copies: of spools, on so many other collectors; logs are retired early then,
    also such as somebody still has, and clients repeat nothing. texts: access logs that are imported beside, each by
    runs that are killed and of which two may be at work. Returns (hits, lost)."""
    tombstone = RETAIN if copies else TOMBSTONE
    rng, store = random.Random(seed), Store(client, mutation)
    store.rows_rng.seed(seed)
    collectors, aggregators = [Collector(rng) for _ in range(3)], [Aggregator(f"a{i}") for i in range(3)]
    settlers = [Settler() for _ in range(2)]
    sent, repeats, gone, back_at = [], [], set(), 0
    text_rng = random.Random(f"texts {seed}")
    imported = [Text(text_rng, text_rng.choice(PARTITIONS)) for _ in range(texts)]
    importers = [Importer(text) for text in imported for _ in range(2)]

    def import_step(now, kills):
        for at, importer in enumerate(importers):
            if store.up and text_rng.random() < 0.5:
                importer.step(store, text_rng, now)
            if kills and text_rng.random() < 0.05:
                importers[at] = Importer(importer.text)

    for now in range(STEPS):
        for text in imported:
            if text_rng.random() < 0.5:  # half of the lines are no page
                hit = text_rng.random() < 0.5
                text.append([len(sent), "", now] if hit else None)
                sent += [(text.part, f"/{len(sent)}")] if hit else []
        import_step(now, kills=True)
        if store.up:
            store.answered += 1
            store.remember(reach)
            if rng.random() < 0.03:
                store.fall_back(rng.choice(store.history)[1])
            if rng.random() < 0.006:
                store.up, back_at = False, now + rng.randint(30, 80)
        elif now >= back_at:
            store.up = True
        if emptied and now == STEPS * 5 // 8:
            store.empty()
        if copies and rng.random() < 0.02 and store.up:
            Aggregator.tidy(store, rng.choice(PARTITIONS), retire_after=-1)
        if len(collectors) < 3 + copies and rng.random() < 0.02:
            collectors.append(rng.choice(collectors).copied(rng))
        for number, collector in enumerate(collectors):
            if rng.random() < 0.4:
                part, hit = rng.choice(PARTITIONS), len(sent)
                # Half of the hits carry no id: they rest on the compares alone.
                hit_id = f"id{hit}" if rng.random() < 0.5 else ""
                sent.append((part, f"/{hit}"))
                collector.record(part, [hit, hit_id, now])
                if hit_id and not emptied and not copies and reach < RETAIN and rng.random() < 0.6:
                    repeats.append((now + rng.randint(1, 5), part, hit))
            for repeat in [r for r in repeats if r[0] <= now]:
                repeats.remove(repeat)
                rng.choice(collectors).record(repeat[1], [repeat[2], f"id{repeat[2]}", now])
            cut_off = number == 2 and (now // 100) % 2 == 1
            if store.up and not cut_off and rng.random() < 0.7:
                collector.step(store, rng, now, tombstone)
            if rng.random() < 0.03:
                gone.update(f"/{hit}" for hit in collector.crash(rng, power=rng.random() < 0.5))
        for aggregator in aggregators:
            if store.up and rng.random() < 0.6:
                aggregator.step(store, rng, stall)
            if rng.random() < 0.03:
                aggregator.work = None
        for settler in settlers:
            if store.up and store.rows_rng.random() < 0.6:
                settler.step(store, store.rows_rng, stall=0.6)

    store.up = True
    quiet = 0
    for now in range(STEPS, 3 * STEPS):
        for collector in collectors:
            collector.step(store, rng, now, tombstone)
        import_step(now, kills=False)
        for aggregator in aggregators:
            aggregator.step(store, rng, stall=0)
        for settler in settlers:
            settler.step(store, store.rows_rng, stall=0)
        waiting = any(client.xlen(key(part, "hits")) or client.exists(key(part, "tallies")) for part in PARTITIONS)
        unshipped = any(p.cursor is None or p.cursor < p.end()
                        for c in collectors for log in c.logs for p in log.parts.values())
        unshipped = unshipped or any(i.cursor != len(i.text.lines) for i in importers)
        quiet = 0 if waiting or unshipped else quiet + 1
        if quiet > 20:
            break
    else:
        raise Broken(f"seed {seed}: hits are still on their way, waiting={waiting} unshipped={unshipped}")

    doubled, lost, declared = [], [], 0
    for part in PARTITIONS:
        pages = {p.decode(): int(n) for p, n in client.zrange(key(part, SITE, "pages"), 0, -1, withscores=True)}
        totals = client.hgetall(key(part, SITE, "totals"))
        producers = store.producers(part)
        if sum(pages.values()) != int(totals.get(b"views", 0)):
            raise Broken(f"seed {seed}: the pages do not add up to the site")
        day_key, rows_key = row_keys(part)
        if pages != {p.decode(): int(n) for p, n in client.zrange(rows_key, 0, -1, withscores=True)}:
            raise Broken(f"seed {seed}: the rows of the day are not its pages")
        if sum(pages.values()) != int(client.hget(day_key, "rows:pages") or 0):
            raise Broken(f"seed {seed}: the rows do not add up to their sum")
        if int(totals.get(b"visitor_days", 0)) > int(totals.get(b"views", 0)):
            raise Broken(f"seed {seed}: more visitors than views")
        behind = [p for p, n in producers.items()
                  if p.endswith(":shipped") and int(producers.get(p[:-7] + "applied", 0)) != int(n)]
        if behind:
            raise Broken(f"seed {seed}: shipped but not applied: {behind[:3]}")
        of_part = [hit for p, hit in sent if p == part]
        doubled += [hit for hit in of_part if pages.get(hit, 0) > 1]
        lost += [hit for hit in of_part if pages.get(hit, 0) == 0 and hit not in gone]
        for text in imported:
            of_text = [f"/{hit[0]}" for hit in text.lines if hit] if text.part == part else []
            if any(pages.get(hit, 0) != 1 for hit in of_text):
                raise Broken(f"seed {seed}: a line of an access log does not count once")
        declared += int(producers.get("lost", 0))
        by_producer = sum(int(n) for f, n in producers.items() if f.endswith(":lost"))
        by_producer += sum(int(position.split()[1]) for position in client.hvals(key(part, "retired")))
        if by_producer != int(producers.get("lost", 0)):
            raise Broken(f"seed {seed}: {by_producer} lost by producer, {producers.get('lost')} in all")
    if doubled:
        raise Broken(f"seed {seed}: {len(doubled)} hits doubled: {doubled[:5]}")
    if emptied or reach > RETAIN:
        if len(lost) > declared:
            raise Broken(f"seed {seed}: {len(lost)} hits lost, {declared} declared: {lost[:5]}")
    elif lost or declared:
        raise Broken(f"seed {seed}: {len(lost)} hits lost, {declared} declared: {lost[:5]}")
    return len(sent), len(lost)


FAULTS = {
    "within retention": (RETAIN // 2, False, 0),
    "beyond retention": (RETAIN * 3, False, 0),
    "Redis emptied": (RETAIN // 2, True, 0),
    "spools copied": (RETAIN // 2, False, 3),
}
# Access logs are whole for as long as they are imported: whatever Redis loses, nothing of them is lost.
WITH_TEXTS = {"access logs": (RETAIN * 3, False), "access logs, Redis emptied": (RETAIN // 2, True)}


class ProtocolTest(unittest.TestCase):
    runs, first_seed = (3 if LIGHT else 8), 0

    def setUp(self):
        self.world = World()
        self.addCleanup(lambda: self.world.close(failed=has_failed(self)))
        # Nothing here outlives the process: without an append-only file the schedules run faster.
        self.client = self.world.redis(options=("--appendonly", "no")).client()


class Schedules(ProtocolTest):
    def run_all(self, name, texts=0):
        reach, emptied, copies = FAULTS.get(name) or (*WITH_TEXTS[name], 0)
        seeds = range(self.first_seed, self.first_seed + (max(2, self.runs // 3) if texts else self.runs))
        total = [run_schedule(self.client, seed, reach, emptied, copies, texts=texts) for seed in seeds]
        print(f"{name}: seeds {seeds.start} to {seeds.stop - 1}, {sum(t[0] for t in total)} hits, 0 doubled, "
              f"{sum(t[1] for t in total)} lost" + (", each declared" if emptied or reach > RETAIN else ""),
              flush=True)

    def test_no_hit_is_lost_or_doubled_when_redis_falls_back_within_retention(self):
        self.run_all("within retention")

    def test_lost_hits_are_declared_when_redis_falls_back_beyond_retention(self):
        self.run_all("beyond retention")

    def test_lost_hits_are_declared_when_redis_is_emptied(self):
        self.run_all("Redis emptied")

    def test_no_hit_is_lost_or_doubled_when_spools_are_copied_and_their_logs_retired(self):
        self.run_all("spools copied")

    def test_each_line_of_an_access_log_counts_once_however_far_redis_falls_back(self):
        for name in WITH_TEXTS:
            self.run_all(name, texts=3)

    def test_without_the_compare_of_offsets_lines_of_an_access_log_are_doubled(self):
        for seed in range(40):
            try:
                run_schedule(self.client, seed, RETAIN // 2, False, mutation="ship-compares", texts=3)
            except Broken as noticed:
                if "access log" in str(noticed) or "import" in str(noticed) or "another text" in str(noticed):
                    return
        self.fail("nothing was noticed")


class Mutations(ProtocolTest):
    """Each check of the scripts is needed: without it some schedule breaks the promise."""

    def assert_noticed(self, mutation, most_runs=40):
        copied = mutation.endswith("-forgets")
        for seed in range(most_runs):
            for reach, emptied, copies in (faults for faults in FAULTS.values() if bool(faults[2]) == copied):
                try:
                    run_schedule(self.client, seed, reach, emptied, copies, mutation, stall=0.9)
                except (Broken, redis.ResponseError) as noticed:
                    print(f"{mutation}: noticed, {noticed}", flush=True)
                    return
        self.fail(f"{mutation}: nothing was noticed in {most_runs} seeds")

    def test_ship_without_its_compare_is_noticed(self):
        self.assert_noticed("ship-compare")

    def test_ship_without_both_its_compares_is_noticed(self):
        self.assert_noticed("ship-compares")

    def test_apply_without_the_compare_of_the_head_is_noticed(self):
        self.assert_noticed("apply-head")

    def test_apply_without_the_compare_of_the_end_is_noticed(self):
        self.assert_noticed("apply-upto")

    def test_apply_that_does_not_compare_the_tip_is_noticed(self):
        self.assert_noticed("apply-tip")

    def test_apply_that_does_not_trim_is_noticed(self):
        self.assert_noticed("apply-trim")

    def test_settle_without_the_compare_of_the_last_is_noticed(self):
        self.assert_noticed("settle-last")

    def test_settle_that_does_not_trim_is_noticed(self):
        self.assert_noticed("settle-trim")

    def test_apply_that_does_not_move_the_offsets_is_noticed(self):
        self.assert_noticed("apply-offsets")

    def test_retiring_a_log_without_a_trace_is_noticed(self):
        self.assert_noticed("retire-forgets")
        self.assert_noticed("tidy-forgets")

    def test_a_question_that_does_not_look_among_the_retired_is_noticed(self):
        self.assert_noticed("ask-forgets")

    def test_ship_that_does_not_look_among_the_retired_is_noticed(self):
        self.assert_noticed("ship-forgets")

    def test_ship_that_does_not_declare_losses_is_noticed(self):
        self.assert_noticed("ship-lost")


class Scripts(ProtocolTest):
    """Single answers that the schedules do not show by themselves."""

    PRODUCER = "00000000000000aa"

    def setUp(self):
        super().setUp()
        self.store = Store(self.client)

    def ship(self, prev, last, hits="x", lost=0, prev_chain="", chain="", bound=1 << 30, nonce=7):
        answer = self.store.run("ship", [key(0, n) for n in ("hits", "producers", "retired")], [
            self.PRODUCER, prev, last, lost, prev_chain, chain, nonce, bound, 1, hits])
        return [part.decode() for part in answer]

    def apply(self, *steps, keys=(), batch=None, size=1, tip=""):
        entries = self.client.xrange(key(0, "hits"))
        head, upto = batch or (entries[0][0].decode(), entries[-1][0].decode())
        names = [key(0, n) for n in ("hits", "producers", "ids", "lease")] + [key(0, k) for k in keys]
        return self.store.run("apply", names, [head, upto, id_after(upto), size, tip, *steps])

    def state(self):
        return {name: self.client.dump(name) for name in self.client.keys("*")}

    def test_a_repeated_ship_changes_nothing_and_tells_how_far_the_log_is(self):
        self.assertEqual(self.ship(0, 3)[:2], ["ok", "3"])
        before = self.state()
        self.assertEqual(self.ship(0, 3)[:2], ["moved", "3"])
        self.assertEqual(self.state(), before)

    def test_a_copied_spool_with_other_content_is_noticed(self):
        self.assertEqual(self.ship(0, 3, chain="one")[0], "ok")
        before = self.state()
        self.assertEqual(self.ship(3, 5, prev_chain="another", chain="more")[0], "forked")
        self.assertEqual(self.state(), before)

    def test_a_full_partition_refuses_and_the_empty_one_takes_any_entry(self):
        self.assertEqual(self.ship(0, 1, hits="x" * 100, bound=10)[0], "ok")
        before = self.state()
        self.assertEqual(self.ship(1, 2, bound=10)[0], "full")
        self.assertEqual(self.state(), before)

    def test_offsets_beyond_the_precision_of_lua_numbers_printed_by_default_are_kept(self):
        far = 2**52 + 1
        self.client.hset(key(0, "producers"), f"{self.PRODUCER}:shipped", far)
        self.assertEqual(self.ship(far, far + 1)[:2], ["ok", str(far + 1)])
        self.assertEqual(self.apply("O", 1, self.PRODUCER, far + 1, 2**52 + 3), b"ok")
        held = self.store.producers(0)
        self.assertEqual(held[f"{self.PRODUCER}:applied"], str(far + 1))
        self.assertEqual(held[f"{self.PRODUCER}:watermark"], str(2**52 + 3))

    def test_ids_of_entries_grow_though_the_clock_goes_back(self):
        future = 10**13
        self.client.hset(key(0, "producers"), "last_ms", future)
        self.assertEqual(self.ship(0, 1, nonce=1)[0], "ok")
        self.assertEqual(self.ship(1, 2, nonce=0)[0], "ok")
        ids = [entry.decode() for entry, _ in self.client.xrange(key(0, "hits"))]
        self.assertEqual(ids, [f"{future + 1}-1", f"{future + 2}-0"])

    def test_all_of_a_log_lost_is_declared_with_an_entry_of_no_hits(self):
        self.assertEqual(self.ship(0, 4, hits="", lost=4)[:2], ["ok", "4"])
        held = self.store.producers(0)
        self.assertEqual((held["lost"], held[f"{self.PRODUCER}:lost"]), ("4", "4"))
        self.assertEqual(self.apply("O", 1, self.PRODUCER, 4, 0), b"ok")
        self.assertEqual(self.store.producers(0)["applied"], "4")

    def test_asking_moves_the_watermark_only_when_all_is_applied(self):
        self.ship(0, 3)

        def ask(end, now=50_000):
            return self.store.run("ask", [key(0, "producers"), key(0, "retired")], [now, self.PRODUCER, end])

        self.assertEqual(ask(3)[:2], [b"3", b"0"])
        self.assertNotIn(f"{self.PRODUCER}:watermark", self.store.producers(0))
        self.apply("O", 1, self.PRODUCER, 3, 1000)
        for not_all in ("", 5, 2):  # not read to its end; Redis fell back; a log that was cut
            ask(not_all)
            self.assertEqual(self.store.producers(0)[f"{self.PRODUCER}:watermark"], "1000")
        self.assertEqual(ask(3)[:2], [b"3", b"3"])
        self.assertEqual(self.store.producers(0)[f"{self.PRODUCER}:watermark"], "50000")

    def test_the_watermark_goes_no_further_than_the_clock_of_redis(self):
        self.ship(0, 3)
        self.apply("O", 1, self.PRODUCER, 3, 1000)
        self.store.run("ask", [key(0, "producers"), key(0, "retired")], [10**15, self.PRODUCER, 3])
        seconds, _ = self.client.time()
        moved = int(self.store.producers(0)[f"{self.PRODUCER}:watermark"])
        self.assertTrue(seconds * 1000 - 60_000 < moved < seconds * 1000)

    def test_a_log_that_asks_first_holds_the_watermark_of_all(self):
        """Its hits are still to come: nothing may be forgotten before."""
        self.ship(0, 3)
        self.apply("S", 5, 3, 0, packed(["id"]), "O", 1, self.PRODUCER, 3, 10**12, keys=("ids:0",))
        self.store.run("ask", [key(0, "producers"), key(0, "retired")], [1, "00000000000000bb", ""])
        tidy = lambda: self.store.run("tidy", [key(0, "producers"), key(0, "ids"), key(0, "retired"), key(0, "ids:0")],  # noqa: E731
                                      [1000, 1000, DAY, 10**15, 10, 0, 0])
        self.assertEqual(tidy()[0], b"0")
        self.assertEqual(self.client.exists(key(0, "ids:0")), 1)
        # Unheard of for a day it holds nobody back, unless hits of it wait.
        self.client.hset(key(0, "producers"), mapping={"00000000000000bb:heard": 1, "tidied": self.client.time()[0] * 1000})
        self.client.hset(key(0, "producers"), "00000000000000bb:shipped", 2)
        self.assertEqual(tidy()[:2], [b"0", 0])
        self.client.hset(key(0, "producers"), "00000000000000bb:applied", 2)
        self.assertEqual(tidy()[:2], [b"1000000000000", 1])
        self.assertEqual(self.client.exists(key(0, "ids:0")), 0)
        self.assertEqual(self.client.zcard(key(0, "ids")), 0)

    def test_visitors_are_forgotten_behind_the_watermark_a_bounded_number_at_once(self):
        self.client.hset(key(0, "producers"), mapping={f"{self.PRODUCER}:{f}": v for f, v in
                                                       (("shipped", 1), ("applied", 1), ("watermark", 10_000))})
        self.client.zadd(key(0, "a:seen"), {f"v{i}": i for i in range(10_000)})
        tidy = lambda: self.store.run("tidy", [key(0, "producers"), key(0, "ids"), key(0, "retired"), key(0, "a:seen"),  # noqa: E731
                                               key(0, "a:visits")],
                                      [1000, 4000, DAY, 8 * DAY, 1300, 0])
        answers = [tidy()[3] for _ in range(6)]
        self.assertEqual(answers, [b"1"] * 4 + [b"0"] * 2)
        self.assertEqual(self.client.zcard(key(0, "a:seen")), 4000)

    def test_an_applied_batch_cannot_be_applied_again(self):
        self.ship(0, 3)
        entry = self.client.xrange(key(0, "hits"))[0][0].decode()
        steps = ("Z", 5, 1, "/a", 3, "O", 1, self.PRODUCER, 3, 1)
        self.assertEqual(self.apply(*steps, keys=("a:pages",)), b"ok")
        before = self.state()
        self.assertEqual(self.apply(*steps, keys=("a:pages",), batch=(entry, entry)), b"stale")
        self.ship(3, 4)
        self.assertEqual(self.apply(*steps, keys=("a:pages",), batch=(entry, entry)), b"stale")
        self.assertEqual(self.client.zscore(key(0, "a:pages"), "/a"), 3)
        self.assertNotEqual(self.state(), before)

    def test_a_fold_that_rests_on_another_entry_than_the_last_is_not_applied(self):
        """What an aggregator remembers is true of one state only."""
        steps = ("Z", 5, 1, "/a", 1, "O", 1, self.PRODUCER)
        self.ship(0, 3)
        tip = self.client.xrange(key(0, "hits"))[0][0].decode()
        self.assertEqual(self.apply(*steps, 3, 1, keys=("a:pages",), tip="1-1"), b"stale")
        self.assertEqual(self.apply(*steps, 3, 1, keys=("a:pages",)), b"ok")
        self.ship(3, 4)
        before = self.state()
        self.assertEqual(self.apply(*steps, 4, 1, keys=("a:pages",), tip="1-1"), b"stale")
        self.assertEqual(self.state(), before)
        self.assertEqual(self.apply(*steps, 4, 1, keys=("a:pages",), tip=tip), b"ok")
        self.assertEqual(self.client.zscore(key(0, "a:pages"), "/a"), 2)

    def test_a_batch_whose_end_was_lost_by_a_fall_back_is_not_applied(self):
        self.ship(0, 3)
        first = self.state()
        self.ship(3, 5)
        head, upto = (entry.decode() for entry, _ in self.client.xrange(key(0, "hits")))
        self.store.fall_back(first)
        self.assertEqual(self.apply("Z", 5, 1, "/a", 5, "O", 1, self.PRODUCER, 5, 1, keys=("a:pages",),
                                    batch=(head, upto)), b"stale")
        self.assertEqual(self.state(), first)

    def test_a_step_that_cannot_be_made_leaves_everything_as_it_was(self):
        """Redis does not roll a script back: whatever is wrong has to be found before the first write."""
        self.ship(0, 3)
        self.client.set(key(0, "a:day:D:visitors"), "no HyperLogLog")
        self.client.set(key(0, "a:day:E:visitors"), "HYLL and then nothing of the kind")
        self.client.hset(key(0, "a:totals"), mapping={"views": "many", "far": 2**53 - 1})
        self.client.set(key(0, "a:text"), "x")
        good = ("H", 5, 1, "views", 1)
        keys = ("a:day:D", "a:totals", "a:text", "a:day:D:visitors", "a:month:M", "a:day:E:visitors")
        wrong = {
            "a hash that is a string": ("H", 7, 1, "views", 1),
            "a sorted set that is a string": ("Z", 7, 1, "/a", 1),
            "a set that is a string": ("S", 7, 3, 1, packed(["id"])),
            "times that are a string": ("G", 7, f"{5:016}", packed(["v"])),
            "times that are no numbers": ("G", 9, "x" * 16, packed(["v"])),
            "fewer times than members": ("G", 9, f"{5:016}", packed(["v", "w"])),
            "members cut short": ("S", 9, 3, 1, "id"),
            "a field that is no number": ("H", 6, 1, "views", 1),
            "a sum that is not exact": ("H", 6, 1, "far", 1),
            "an addition that is no number": ("H", 5, 1, "visits", "one"),
            "a fraction": ("Z", 9, 1, "/a", "0.5"),
            "no HyperLogLog": ("P", 8, 5, 9, 9, packed(["v"])),
            "a broken HyperLogLog": ("P", 10, 5, 9, 9, packed(["v"])),
            "a list that is a string": ("R", 7, "bytes"),
            "a breakdown that is a string": ("C", 7, 5, "rows:pages", 1000, 0, 1, "/a", 1),
            "a breakdown whose sum is no number": ("C", 9, 6, "views", 1000, 0, 1, "/a", 1),
            "visits cut short": ("V", 5, 2, "visitor"),
            "an unknown step": ("Q", 1),
            "a key index out of range": ("H", 99, 1, "views", 1),
            "an offset that is no number": ("O", 1, self.PRODUCER, "x", 1),
            "a count cut short": ("Z", 9, 3, "/a", 1),
            "a lease that is no time": ("L", "me", "soon"),
            "bytes behind a hash": ("A", 6, "bytes"),
            "no bytes to append": ("A", 9),
            "an expiry that is no time": ("E", 5, "soon"),
            "an expiry that is past": ("E", 5, -1),
        }
        before = self.state()
        for name, step in wrong.items():
            with self.subTest(name):
                with self.assertRaises(redis.ResponseError):
                    self.apply(*good, *step, keys=keys)
                self.assertEqual(self.state(), before)

    def test_more_members_than_a_variadic_call_takes_are_applied_in_parts(self):
        self.ship(0, 3)
        count = 9001
        pages = [x for i in range(count) for x in (f"/{i}", 2)]
        ids = packed(f"id{i}" for i in range(count))
        times = "".join(f"{i:016}" for i in range(count))
        self.assertEqual(self.apply(
            "H", 5, count, *pages, "Z", 6, count, *pages, "S", 7, 3, 1, ids, "G", 8, times, ids,
            "P", 9, 5, 10, 11, ids, "O", 1, self.PRODUCER, 3, 1,
            keys=("a:day:D", "a:pages", "ids:1", "a:seen", "a:day:D:visitors", "a:month:M", "a:totals")), b"ok")
        self.assertEqual(self.client.hlen(key(0, "a:day:D")), count)
        self.assertEqual(self.client.zcard(key(0, "a:pages")), count)
        self.assertEqual(self.client.zscore(key(0, "a:pages"), f"/{count - 1}"), 2)
        self.assertEqual(self.client.scard(key(0, "ids:1")), count)
        self.assertEqual(self.client.zcard(key(0, "a:seen")), count)

    def test_visitors_are_never_more_than_the_views_of_their_day(self):
        self.ship(0, 3)
        self.assertEqual(self.apply(
            "H", 5, 1, "views", 2, "P", 6, 5, 7, 8, packed("abcde"), "O", 1, self.PRODUCER, 3, 1,
            keys=("a:day:D", "a:day:D:visitors", "a:month:M", "a:totals")), b"ok")
        self.assertEqual(self.client.hget(key(0, "a:day:D"), "visitors"), b"2")
        self.assertEqual(self.client.hget(key(0, "a:month:M"), "visitor_days"), b"2")

    def test_a_key_that_is_to_expire_does_so_and_no_other(self):
        self.ship(0, 3)
        self.assertEqual(self.apply(
            "H", 5, 1, "c", 2, "E", 5, 60_000, "H", 6, 1, "views", 2, "A", 7, "12345678",
            "O", 1, self.PRODUCER, 3, 1, keys=("a:new_paths:1", "a:totals", "a:day:D:first_seen")), b"ok")
        self.assertGreater(self.client.pttl(key(0, "a:new_paths:1")), 1000)
        self.assertEqual(self.client.pttl(key(0, "a:totals")), -1)
        self.ship(3, 4)
        self.assertEqual(self.apply("A", 5, "abcdefgh", "O", 1, self.PRODUCER, 4, 1,
                                    keys=("a:day:D:first_seen",)), b"ok")
        self.assertEqual(self.client.get(key(0, "a:day:D:first_seen")), b"12345678abcdefgh")

    def test_times_of_visitors_only_grow(self):
        self.ship(0, 1)
        self.apply("G", 5, f"{50:016}", packed("v"), "O", 1, self.PRODUCER, 1, 1, keys=("a:seen",))
        self.ship(1, 2)
        self.apply("G", 5, f"{20:016}", packed("v"), "O", 1, self.PRODUCER, 2, 1, keys=("a:seen",))
        self.assertEqual(self.client.zscore(key(0, "a:seen"), packed("v")), 50)

    def test_rows_that_were_written_in_parts_are_not_written_again(self):
        """One puts together what another has taken apart and begun to write: the last still stands where it stood."""
        list_key, keys = key(0, "tallies"), [key(0, "tallies"), *row_keys(0)]
        first, second, last = (f"tally{n:03}" + json.dumps({f"/{n}": 1}) for n in range(3))
        self.client.rpush(list_key, first, second, last)

        def merge(count, first, last, *parts):
            return self.store.run("settle", [list_key], ["merge", count, first[:8], last[:8], *parts])

        def add(tally):
            return self.store.run("settle", keys, ["add", 1, tally[:8], tally[:8], *rows(2, json.loads(tally[8:]))])

        parts = "part0001" + json.dumps({"/0": 1}), "part0002" + json.dumps({"/none": 0})
        together = "together" + json.dumps({"/0": 1, "/1": 1, "/2": 1})
        self.assertEqual(merge(1, first, first, *parts), b"ok")
        self.assertEqual(add(parts[0]), b"ok")
        self.assertEqual(self.client.lrange(list_key, 2, 2), [last.encode()], "it stands where it stood")
        before = self.state()
        self.assertEqual(merge(3, first, last, together), b"stale")
        self.assertEqual(merge(3, parts[1], second, together), b"stale")
        self.assertEqual(add(parts[0]), b"stale")
        self.assertEqual(self.state(), before)
        self.assertEqual(merge(3, parts[1], last, "together" + json.dumps({"/1": 1, "/2": 1})), b"ok")
        self.assertEqual(add("together" + json.dumps({"/1": 1, "/2": 1})), b"ok")
        self.assertEqual(dict(self.client.zrange(row_keys(0)[1], 0, -1, withscores=True)), {b"/0": 1, b"/1": 1, b"/2": 1})
        self.assertEqual(self.client.hget(row_keys(0)[0], "rows:pages"), b"3")

    def test_only_the_owner_prolongs_a_lease(self):
        self.ship(0, 1)
        self.client.set(key(0, "lease"), "owner", px=60_000)
        self.apply("L", "other", 900_000)
        self.assertLessEqual(self.client.pttl(key(0, "lease")), 60_000)
        self.ship(1, 2)
        self.apply("L", "owner", 900_000)
        self.assertGreater(self.client.pttl(key(0, "lease")), 60_000)


def main():
    parser = argparse.ArgumentParser(add_help=True)
    parser.add_argument("--runs", type=int, default=ProtocolTest.runs)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--mutate", choices=sorted(MUTATIONS))
    options, rest = parser.parse_known_args()
    ProtocolTest.runs, ProtocolTest.first_seed = options.runs, options.first_seed
    if options.mutate:
        world = World()
        try:
            client = world.redis(options=("--appendonly", "no")).client()
            case = Mutations("assert_noticed")
            case.client = client
            case.assert_noticed(options.mutate)
        finally:
            world.close()
        return
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2, warnings="ignore")


if __name__ == "__main__":
    main()
