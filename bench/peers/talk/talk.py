#!/usr/bin/python3
"""A crawler as conference talks of 2011 to 2014 built them: five stages that hand URLs on through Redis lists, a hash of what
is being worked at, and a few greenlets for each stage.

    talk.py [--best] [--resume] [--greenlets N] START_URL... OUTDIR

REDIS_URL names the Redis and its database. As in the talk, a set in Redis drops duplicates where they would be downloaded. With
--best they are dropped before they are queued, and two processes share the work. --resume queues again what a crash left in the
hash; pages that were just then on the way between two steps are lost."""

from gevent import monkey

monkey.patch_all()

import argparse, codecs, hashlib, http.client, json, os, re, socket, sqlite3, sys, time
from urllib.parse import quote, urljoin, urlsplit
from urllib.robotparser import RobotFileParser

import gevent, redis
from lxml import etree

arguments = argparse.ArgumentParser()
arguments.add_argument("--best", action="store_true")
arguments.add_argument("--resume", action="store_true")
arguments.add_argument("--greenlets", type=int, default=8, help="for each stage")
arguments.add_argument("seeds", nargs="+", metavar="START_URL")
arguments.add_argument("out", metavar="OUTDIR")
args = arguments.parse_args()

DOUBTFUL = tuple(".mp4 .mkv .mov .avi .webm .mpg .mp3 .ogg .wav .flac .zip .gz .tgz .tar .bz2 .xz .7z .rar .iso .img .dmg .exe .msi .deb .rpm .jar .apk .bin".split())
UNWANTED = ("video/", "audio/", "font/", "application/zip", "application/gzip", "application/x-")
LINKS = etree.XPath("//a/@href|//area/@href|//iframe/@src|//link[@rel='next']/@href", smart_strings=False)
SAFE = "%/:=&?~+!$,;'@()*[]"
PLAIN = re.compile("[-.0-9A-Z_a-z" + re.escape(SAFE) + "]*").fullmatch
# Hands on what came of an item, forgets that it was worked at, and takes the next: one way to Redis and back instead of five.
NEXT = """for i = 3, #ARGV, 2 do redis.call('LPUSH', ARGV[i], ARGV[i + 1]) end
if ARGV[1] ~= '' then redis.call('HDEL', 'working', ARGV[1]); redis.call('INCRBY', 'pending', ARGV[2]) end
local item = redis.call('RPOP', KEYS[1])
if item then redis.call('HSET', 'working', string.match(item, '^%C*'), KEYS[1]) end
return item"""
proxy = os.environ.get("http_proxy", "").removeprefix("http://").strip("/")
hosts = {urlsplit(url).netloc for url in args.seeds}
sites, known = {}, set()


# A stage gets an item, a URL and perhaps more in further lines, and says what is to be pushed on which list.
def queue(url, ask):
    return [("dns", url)] if urlsplit(url.decode()).netloc in hosts else []


def dns(url, ask):
    host = urlsplit(url.decode()).netloc
    if host not in sites:
        name, _, port = (proxy or host).partition(":")  # a proxy resolves the names of all others
        address, robots = socket.gethostbyname(name) + ":" + (port or "80"), RobotFileParser()
        answer, body = ask("GET", "http://" + host + "/robots.txt", address)
        robots.parse(body.decode("utf-8", "replace").splitlines() if answer.status == 200 else [])
        sites[host] = address, robots
    address, robots = sites[host]
    return [("header", b"%s\n%s" % (url, address.encode()))] if robots.can_fetch("talk", url.decode()) else []


def header(item, ask):
    url, address = item.decode().split("\n")
    if urlsplit(url).path.lower().endswith(DOUBTFUL) and ask("HEAD", url, address)[0].headers.get_content_type().startswith(UNWANTED):
        return []
    return [("download", item)]


def download(item, ask):
    url, address = item.decode().split("\n")
    if not args.best and not r.sadd("seen", url):
        return []
    answer, body = ask("GET", url, address)
    if answer.status in (301, 302, 303, 307, 308):
        return [("queue", link) for link in absolute(url, [answer.getheader("Location", "")])]
    if answer.status != 200:
        raise ValueError("status %d" % answer.status)
    page = None
    if answer.headers.get_content_type() == "text/html":
        page = etree.HTML(body, etree.HTMLParser(encoding=charset(answer)))
    if page is None:
        return [("store", b"%s\n\n%s" % (url.encode(), body))]
    base, title = page.find(".//base[@href]"), " ".join(page.findtext(".//title", "").split())
    links = absolute(url if base is None else urljoin(url, base.get("href").strip()), LINKS(page))
    return [("store", b"%s\n%s\n%s" % (url.encode(), title.encode(), body))] + [("queue", link) for link in links]


def store(item, ask):
    url, title, body = item.split(b"\n", 2)
    name = hashlib.sha1(url).hexdigest()
    os.makedirs(os.path.join(args.out, name[:2]), exist_ok=True)
    with open(os.path.join(args.out, name[:2], name), "wb") as f:
        f.write(body)
    db.execute("INSERT OR REPLACE INTO pages VALUES (?, ?, ?, ?, ?)", (url.decode(), title.decode(), name, len(body), time.time()))
    return []


def charset(answer):
    try:
        return codecs.lookup(answer.headers.get_content_charset("utf-8")).name
    except LookupError:
        return None


def absolute(base, links):
    """The different URLs that links lead to; with --best only those that nobody had before."""
    urls = {}  # in the order of the page
    for link in links:
        try:
            scheme, _, rest = urljoin(base, link.strip()).partition("#")[0].partition("://")
        except ValueError:
            continue  # no URL
        if scheme == "http":
            host, _, path = rest.partition("/")
            urls["http://" + host.lower() + "/" + (path if PLAIN(path) else quote(path, safe=SAFE))] = None
    if not args.best:
        return urls
    urls = [url for url in urls if url not in known]
    known.update(urls)
    pipe = r.pipeline(transaction=False)
    for url in urls:
        pipe.sadd("seen", url)
    return [url for url, first in zip(urls, pipe.execute()) if first]


def browser():
    """Returns a function that asks hosts over connections which it keeps open."""
    kept = {}

    def ask(method, url, address, again=True):
        parts = urlsplit(url)
        target = url if proxy else (parts.path or "/") + (parts.query and "?" + parts.query)
        connection = kept.setdefault(address, http.client.HTTPConnection(address, timeout=30))
        try:
            connection.request(method, target, headers={"Host": parts.netloc, "User-Agent": "talk/1.0"})
            answer = connection.getresponse()
            return answer, answer.read()
        except (http.client.HTTPException, OSError):  # perhaps the other side had closed it
            kept.pop(address).close()
            if again:
                return ask(method, url, address, False)
            raise

    return ask


def work(stage):
    name, ask, url, results = stage.__name__, browser(), b"", []
    while True:
        item = r.evalsha(sha, 1, name, url, len(results) // 2 - 1, *results)
        if item is None:
            item = r.brpop(name)[1]
            r.hset("working", item.split(b"\n", 1)[0], name)
        url, results = item.split(b"\n", 1)[0], []
        try:
            for result in stage(item, ask):
                results += result
        except Exception as err:
            print("talk: %s: %s: %s" % (name, url.decode(), err), file=sys.stderr)


start, child, stages = time.time(), -1, (queue, dns, header, download, store)
r = redis.Redis.from_url(os.environ.get("REDIS_URL") or sys.exit("talk: REDIS_URL names no Redis"))
sha = r.script_load(NEXT)
left = r.hkeys("working") if args.resume else []
if not args.resume:
    r.delete("seen", *(stage.__name__ for stage in stages))
r.delete("working")
r.srem("seen", "", *left)
r.lpush("queue", *left or args.seeds)
r.set("pending", sum(r.llen(stage.__name__) for stage in stages))
if args.best:
    r.sadd("seen", *left or args.seeds)
    child = os.fork()
os.makedirs(args.out, exist_ok=True)
db = sqlite3.connect(os.path.join(args.out, "pages.db"), timeout=60, isolation_level=None)
db.execute("PRAGMA journal_mode=WAL")
db.execute("PRAGMA synchronous=NORMAL")
db.execute("CREATE TABLE IF NOT EXISTS pages (url TEXT PRIMARY KEY, title TEXT, file TEXT, size INTEGER, at REAL)")
crew = [gevent.spawn(work, stage) for stage in stages for _ in range(args.greenlets)]
while r.get("pending") != b"0":
    gevent.sleep(0.05)
gevent.killall(crew)
if child > 0:
    os.waitpid(child, 0)
if child != 0:
    pages = db.execute("SELECT count(*) FROM pages").fetchone()[0]
    print(json.dumps({"pages": pages, "seconds": round(time.time() - start, 3)}))
