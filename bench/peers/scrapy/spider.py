#!/usr/bin/python3
"""Crawls the hosts of its start URLs with Scrapy and writes the URL and title of each page to OUTDIR/items.jsonl.

    spider.py [--concurrency N] START_URL... OUTDIR"""

import argparse, json, os, time
from urllib.parse import urlsplit

from scrapy.crawler import CrawlerProcess
from scrapy.http import HtmlResponse, Request
from scrapy.linkextractors import LinkExtractor
from scrapy.spiders import Spider

arguments = argparse.ArgumentParser()
arguments.add_argument("--concurrency", type=int, default=16)
arguments.add_argument("seeds", nargs="+", metavar="START_URL")
arguments.add_argument("out", metavar="OUTDIR")
args = arguments.parse_args()


class Pages(Spider):
    name = "pages"
    start_urls = args.seeds
    allowed_domains = [urlsplit(url).hostname for url in args.seeds]
    # With ports, unlike allowed_domains. Scrapy's own filters of duplicates work on canonical URLs, which are dear: most
    # duplicates are spelled alike, so a set drops them before.
    links = LinkExtractor(allow_domains=[urlsplit(url).netloc for url in args.seeds], unique=False, deny_extensions=[])
    seen = set(args.seeds)

    def parse(self, response):
        if not isinstance(response, HtmlResponse):
            yield {"url": response.url, "title": None}
            return
        yield {"url": response.url, "title": response.xpath("//title/text()").get()}
        for link in self.links.extract_links(response):
            url = link.url.partition("#")[0]
            if url not in self.seen:
                self.seen.add(url)
                yield Request(url)


os.makedirs(args.out, exist_ok=True)
start = time.time()
process = CrawlerProcess({
    "ROBOTSTXT_OBEY": True,
    "AUTOTHROTTLE_ENABLED": False,
    "DOWNLOAD_DELAY": 0,
    "CONCURRENT_REQUESTS": args.concurrency,
    "CONCURRENT_REQUESTS_PER_DOMAIN": args.concurrency,
    "FEEDS": {os.path.join(args.out, "items.jsonl"): {"format": "jsonlines"}},
    # What costs time and does nothing here.
    "CONCURRENT_ITEMS": 2,
    "COOKIES_ENABLED": False,
    "REFERER_ENABLED": False,
    "METAREFRESH_ENABLED": False,
    "TELNETCONSOLE_ENABLED": False,
    "MEMUSAGE_ENABLED": False,
    "LOG_ENABLED": False,
    "REQUEST_FINGERPRINTER_IMPLEMENTATION": "2.7",
})
crawler = process.create_crawler(Pages)
process.crawl(crawler)
process.start()
print(json.dumps({"pages": crawler.stats.get_value("item_scraped_count", 0), "seconds": round(time.time() - start, 3)}))
