import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { button, expect, finish, inWorker, open, test, train } from "./helpers.ts";

test("loads clean, and asks for nothing once it has loaded", async ({ page }) => {
  await open(page);
  const requests: string[] = [];
  page.on("request", (request) => requests.push(request.url()));
  await train(page);
  await button(page, "Go on writing").click();
  await page.getByText("200 tokens.").waitFor();
  await button(page, "Look at this text").click();
  await page.getByText("Where does it look?").waitFor();
  expect(requests).toEqual([]);
});
