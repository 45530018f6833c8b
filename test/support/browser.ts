import { existsSync } from 'node:fs';
import { chromium, type Browser } from 'playwright-core';

const KNOWN_PLACES = [
  process.env.CHROMIUM_PATH,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** Starts the Chromium of this machine, for the tests of pages. */
export async function launchBrowser(): Promise<Browser> {
  const executablePath = KNOWN_PLACES.find((place) => place && existsSync(place));
  if (!executablePath) {
    throw new Error('No Chromium found: apt-get install chromium, or set CHROMIUM_PATH.');
  }
  return chromium.launch({ executablePath });
}
