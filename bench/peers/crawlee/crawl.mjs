// Crawls the domain of its start URLs with Crawlee's CheerioCrawler and writes the URL and title of each page to
// OUTDIR/datasets/default.
//
//	node crawl.mjs [--concurrency N] START_URL... OUTDIR
//
// LAB_ADDR (host:port) is where all names lead to; without it they are resolved as usual.

import dns from 'node:dns';
import { parseArgs } from 'node:util';
import { CheerioCrawler, Configuration, log, LogLevel } from '@crawlee/cheerio';

const { values, positionals } = parseArgs({ options: { concurrency: { type: 'string', default: '16' } }, allowPositionals: true });
if (positionals.length < 2) {
	console.error('usage: crawl.mjs [--concurrency N] START_URL... OUTDIR');
	process.exit(2);
}
const out = positionals.pop();
const concurrency = Number(values.concurrency);

// Crawlee fetches robots.txt past any proxy, so the names have to resolve in this process.
const [address] = (process.env.LAB_ADDR ?? '').split(':');
if (address) {
	dns.lookup = (name, options, done) => {
		if (typeof options === 'function') [options, done] = [{}, options];
		process.nextTick(done, null, options.all ? [{ address, family: 4 }] : address, 4);
	};
}

log.setLevel(LogLevel.ERROR);
let pages = 0;
const start = performance.now();
const crawler = new CheerioCrawler({
	minConcurrency: concurrency,
	maxConcurrency: concurrency,
	respectRobotsTxtFile: true,
	async requestHandler({ request, $, pushData, enqueueLinks }) {
		pages++;
		await pushData({ url: request.loadedUrl, title: $('title').text() });
		await enqueueLinks({ strategy: 'same-domain' });
	},
}, new Configuration({ storageClientOptions: { localDataDirectory: out } }));
await crawler.run(positionals);
console.log(JSON.stringify({ pages, seconds: (performance.now() - start) / 1000 }));
