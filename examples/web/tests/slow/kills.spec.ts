import { hash, test } from "../real/helpers.ts";
import { killAndGoOn, type Way } from "../real/kills.ts";

const WAYS: Way[] = ["close", "crash", "kill", "close", "crash"];

test("twenty kills at random moments, twenty resumptions", async ({ page, baseURL }) => {
  const ways = Array.from({ length: 20 }, (_, i) => WAYS[i % WAYS.length]!);
  await killAndGoOn(page, baseURL!, hash({ n: 2000, e: 100, a: 200, k: 10 }), ways);
});
