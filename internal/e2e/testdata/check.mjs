// Reads WARC files with warcio and recomputes every digest. Exit status 1 when one is wrong or a record cannot be read.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";

const { WARCParser } = await import(process.env.WARCIO_MODULE);
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

function base32(bytes) {
  let bits = 0, value = 0, out = "";
  for (const b of bytes) {
    value = (value << 8) | b;
    bits += 8;
    while (bits >= 5) {
      out += alphabet[(value >>> (bits - 5)) & 31];
      bits -= 5;
    }
    value &= (1 << bits) - 1;
  }
  return bits > 0 ? out + alphabet[(value << (5 - bits)) & 31] : out;
}

const digest = (parts) => {
  const h = createHash("sha1");
  for (const p of parts) h.update(p);
  return "sha1:" + base32(h.digest());
};

let records = 0, digests = 0, bad = 0;
const types = {};
const check = (what, want, got, record) => {
  if (!want) return;
  digests++;
  if (want !== got) {
    bad++;
    console.error(`${record.warcTargetURI}: ${what} digest ${want}, computed ${got}`);
  }
};

for (const file of process.argv.slice(2)) {
  for await (const record of new WARCParser(createReadStream(file), { keepHeadersCase: true, parseHttp: false })) {
    records++;
    types[record.warcType] = (types[record.warcType] ?? 0) + 1;
    const parts = [];
    for await (const chunk of record.reader) parts.push(chunk);
    const block = Buffer.concat(parts);
    const header = (name) => record.warcHeader(name);
    check("block", header("WARC-Block-Digest"), digest([block]), record);
    if (record.warcType === "response") {
      const end = block.indexOf("\r\n\r\n");
      check("payload", header("WARC-Payload-Digest"), digest([block.subarray(end + 4)]), record);
    }
  }
}
console.log(`${records} records ${JSON.stringify(types)}, ${digests} digests, ${bad} wrong`);
process.exit(bad > 0 || digests === 0 ? 1 : 0);
