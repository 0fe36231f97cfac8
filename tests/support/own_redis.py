"""A Redis as an operator sets it up: deploy/redis.conf as it is (ports and folders are given on the command line), and the
users of deploy/redis-users.acl. luot is its user `luot`; the tests look at it as `admin`.

use_it() makes every test of this process use such a Redis, also where luot would have started its own, and fail when
Redis has refused `luot` anything."""

import hashlib
import re

import luot as harness
from luot import ROOT, RedisServer, World, eventually, patience, redis, spawn

CONF = ROOT / "deploy" / "redis.conf"
ACL = ROOT / "deploy" / "redis-users.acl"
PASSWORDS = {"admin": "admin-s-password", "luot": "luot-s-password"}


def acl_text(change=lambda text: text):
    """The shipped users with the hashes of passwords filled in."""
    def hashed(match):
        user = re.match(r"user (\w+)", match.string[match.string.rfind("\n", 0, match.start()) + 1:])[1]
        return "#" + hashlib.sha256(PASSWORDS[user].encode()).hexdigest()
    return change(re.sub(r"#EDIT\S+", hashed, ACL.read_text()))


class OwnRedis(RedisServer):
    """`may_refuse`: for tests that want refusals."""

    def __init__(self, world, name="redis", tcp=True, change_acl=lambda text: text, may_refuse=False, **how):
        super().__init__(world, name, tcp=tcp, **how)
        self.acl, self.may_refuse = world.folder / f"{name}.acl", may_refuse
        self.acl.write_text(acl_text(change_acl))
        place = f"127.0.0.1:{self.port}/0" if tcp else self.socket
        self.url = f"{'redis' if tcp else 'unix'}://luot:{PASSWORDS['luot']}@{place}"

    def start(self, answers=True):
        self.cut_torn_end()
        self.process = spawn(
            ["redis-server", CONF, "--port", self.port, "--unixsocket", self.socket, "--dir", self.folder, "--logfile", "",
             "--pidfile", self.folder / "pid", "--aclfile", self.acl, *self.options], self.log, environment=self.environment)
        if answers:
            eventually(lambda: self.client().ping(), patience(60), "Redis answers")

    def client(self, user="admin"):
        return redis.Redis(unix_socket_path=str(self.socket), username=user, password=PASSWORDS[user], socket_timeout=10)

    def refusals(self):
        return [(entry["username"], entry["reason"], entry["object"]) for entry in self.client().acl_log()]

    def close(self):
        refused = self.refusals() if self.process and self.process.poll() is None and not self.frozen else []
        super().close()
        if refused and not self.may_refuse:
            raise AssertionError(f"deploy/redis-users.acl does not let luot: {refused}")


def use_it():
    original = World.luot

    def start_luot(world, command="serve", name=None, start=True, redis=None, config=None, **how):
        if redis is None and "url" not in (config or {}).get("redis", {}):
            redis = world.redis(f"redis-{name or command}")
        process = original(world, command, name, start, redis=redis, config=config, **how)
        process.server_of_test = redis
        return process

    harness.RedisServer = OwnRedis
    World.luot = start_luot
    harness.Luot.redis = lambda process: process.server_of_test.client()
