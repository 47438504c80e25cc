// The least that must be true before any journey makes sense: the front page opens, is named, and is clean.
import { expect, test } from "./journey.ts";

test("the front page opens, has a title, is accessible, and says nothing on the console", async ({ page, accessible }) => {
  const answer = await page.goto("/");
  expect(answer?.status()).toBe(200);
  await expect(page).toHaveTitle(/\S/);
  await accessible(page);
});

test("a signed-in operator reaches the overview, accessible, and without a word on the console", async ({ as, accessible }) => {
  const page = await as("olga");
  await page.goto("/");
  expect(new URL(page.url()).pathname).toBe("/");
  await expect(page).toHaveTitle(/\S/);
  await accessible(page);
});
