import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { type Demo, startDemoProcess } from './demo.js';

const SCREENSHOTS = fileURLToPath(new URL('../browser/screenshots/', import.meta.url));

const KNOWN_PLACES = [
  process.env.CHROMIUM_PATH,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** The demo, and a browser that visits it. */
export class Site {
  private constructor(
    readonly demo: Demo,
    private readonly browser: Browser,
  ) {}

  static async open(environment: Record<string, string> = {}): Promise<Site> {
    const demo = await startDemoProcess(environment);
    return new Site(demo, await launchBrowser());
  }

  async close(): Promise<void> {
    await this.browser.close();
    await this.demo.stop();
  }

  /** Opens a separate window without a session. */
  async visit(options: BrowserContextOptions = {}): Promise<Visit> {
    const context = await this.browser.newContext({ baseURL: this.demo.url, ...options });
    return new Visit(context, await context.newPage());
  }
}

/** One window, and the actions of its user. */
export class Visit {
  /** Errors and warnings of the console, violations of the content security policy and failed scripts. */
  readonly complaints: string[] = [];

  constructor(
    readonly context: BrowserContext,
    readonly page: Page,
  ) {
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.complaints.push(error.message));
  }

  async signIn(email = 'ada@example.com', password = 'sigra-demo'): Promise<this> {
    await this.page.goto('/login');
    await this.page.getByLabel('Email').fill(email);
    await this.page.getByLabel('Password').fill(password);
    await this.page.getByRole('button', { name: 'Sign in' }).click();
    return this;
  }

  /** Fills in and sends the form of the settings page. @returns the raw token that the page shows */
  async createToken(name: string): Promise<string> {
    await this.page.goto('/settings/tokens');
    await this.fillInForm(name);
    await this.press('Create token');
    return this.page.locator('#raw-token').innerText();
  }

  /** Opens the form that creates a token, and fills it in. */
  async fillInForm(name: string): Promise<void> {
    await this.openForm();
    await this.page.getByLabel('Name', { exact: true }).fill(name);
    await this.page.getByLabel('read:projects').check();
  }

  /** Presses a button of the dialog. */
  press(name: string): Promise<void> {
    return this.page.getByRole('dialog').getByRole('button', { name }).click();
  }

  /** Opens the form that creates a token. */
  async openForm(): Promise<void> {
    await this.page.getByRole('button', { name: 'Create token' }).click();
    await this.page.getByRole('dialog').waitFor();
  }

  /** The status of a request that a script on the page sends with a token. */
  async fetchWith(token: string): Promise<number> {
    const headers = JSON.stringify({ authorization: `Bearer ${token}` });
    return this.page.evaluate<number>(`fetch('/api/projects', { headers: ${headers} }).then(({ status }) => status)`);
  }

  async screenshot(name: string): Promise<void> {
    await this.page.screenshot({ path: `${SCREENSHOTS}${name}.png`, fullPage: true });
  }

  close(): Promise<void> {
    return this.context.close();
  }
}

export async function launchBrowser(): Promise<Browser> {
  const executablePath = KNOWN_PLACES.find((place) => place && existsSync(place));
  if (!executablePath) {
    throw new Error('No Chromium found: apt-get install chromium, or set CHROMIUM_PATH.');
  }
  return chromium.launch({ executablePath });
}
