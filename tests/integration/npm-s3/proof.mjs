// node proof.mjs ENDPOINT BUCKET PREFIX: lists what is below PREFIX with Amazon's client, fetches it, and prints name, size and SHA-256 of each.
import { createHash } from "node:crypto";
import { GetObjectCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";

const [endpoint, bucket, prefix] = process.argv.slice(2);
const client = new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true });
let token;
do {
  const page = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: token, MaxKeys: 7 }));
  for (const object of page.Contents ?? []) {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: object.Key }));
    const hash = createHash("sha256");
    for await (const chunk of Body) hash.update(chunk);
    console.log(object.Key, object.Size, hash.digest("hex"));
  }
  token = page.NextContinuationToken;
} while (token);
