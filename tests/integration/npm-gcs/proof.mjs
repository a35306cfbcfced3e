// node proof.mjs ENDPOINT BUCKET PREFIX: writes with Google's client, then lists what is below PREFIX, fetches it with the client's own checksum
// validation, and prints name, size and SHA-256 of each.
import { createHash, randomBytes } from "node:crypto";
import { Storage } from "@google-cloud/storage";

const [endpoint, bucketName, prefix] = process.argv.slice(2);
const bucket = new Storage({ apiEndpoint: endpoint, projectId: "test" }).bucket(bucketName);

const small = randomBytes(1000);
await bucket.file("by-javascript/small").save(small, { resumable: false, validation: "crc32c" });
const [back] = await bucket.file("by-javascript/small").download({ validation: "crc32c" });
if (!back.equals(small)) throw new Error("what Google's client wrote came back changed");

const big = randomBytes(3 << 20);
await bucket.file("by-javascript/big").save(big, { resumable: true, chunkSize: 1 << 20, validation: "crc32c" });
const [bigBack] = await bucket.file("by-javascript/big").download({ validation: "crc32c" });
if (!bigBack.equals(big)) throw new Error("what Google's client wrote in chunks came back changed");

let query = { prefix, autoPaginate: false, maxResults: 5 };
do {
  const [files, next] = await bucket.getFiles(query);
  for (const file of files) {
    const [content] = await file.download({ validation: "crc32c" });
    console.log(file.name, Number(file.metadata.size), createHash("sha256").update(content).digest("hex"));
  }
  query = next;
} while (query);
