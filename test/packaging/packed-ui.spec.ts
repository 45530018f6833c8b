import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Site } from '../support/site.js';
import { root, run, ui, workspace } from './scratch-app.js';

const tarball = join(root, 'dist', `${ui.name}-${ui.version}.tgz`);
/** The page of an application without a bundler. */
const PAGE = `<!doctype html><html lang="en"><title>Scratch</title>
  <sigra-tokens base="/api/tokens"></sigra-tokens><script type="module" src="/scratch.js"></script></html>`;
/** Its module, which the compiler checks as well. */
const MODULE = `
  import { DEFAULT_TEXTS, SigraTokensElement, type Token } from 'nestjs-sigra-ui';
  const element: SigraTokensElement = document.querySelector('sigra-tokens')!;
  element.texts = { heading: \`\${DEFAULT_TEXTS.heading} of a scratch page\` };
  element.headers = async () => ({ 'x-scratch': '1' });
  element.addEventListener('sigra-token-created', (event) => {
    document.title = (event as CustomEvent<{ token: Token }>).detail.token.name;
  });`;

describe('the packed settings page', () => {
  let folder: string;
  let site: Site;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sigra-ui-'));
    const dependencies = { [ui.name]: `file:${tarball}`, typescript: workspace.devDependencies.typescript };
    await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module', dependencies }));
    await writeFile(join(folder, 'scratch.ts'), MODULE);
    await run(folder, 'npm', ['install', '--no-audit', '--no-fund', '--loglevel=error']);
    site = await Site.open();
  });
  afterAll(async () => {
    await site.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('contains one module with its types and documents, and depends on nothing', async () => {
    const files = (await run(root, 'tar', ['-tzf', tarball])).trim().split('\n');

    expect(files.filter((file) => !file.endsWith('.d.ts')).sort()).toEqual(
      ['CHANGELOG.md', 'LICENSE', 'README.md', 'dist/sigra-tokens.js', 'dist/sigra-tokens.js.map', 'package.json'].map(
        (file) => `package/${file}`,
      ),
    );
    expect(files).toContain('package/dist/sigra-tokens.d.ts');
    expect(ui).not.toHaveProperty('dependencies');
    const script = await readFile(join(folder, 'node_modules', ui.name, 'dist/sigra-tokens.js'), 'utf8');
    expect(script).not.toMatch(/^import |\bimport\(|innerHTML|\beval\(|localStorage|sessionStorage|console\./m);
  });

  it.each([
    ['NodeNext', 'NodeNext'],
    ['ESNext', 'Bundler'],
  ])('has types for the module %s with the resolution %s', async (module, resolution) => {
    const options = ['--module', module, '--moduleResolution', resolution, '--target', 'ES2022', '--strict'];

    await run(folder, join(folder, 'node_modules/.bin/tsc'), [...options, '--lib', 'ES2022,DOM', 'scratch.ts']);

    expect(await readFile(join(folder, 'scratch.js'), 'utf8')).toContain("from 'nestjs-sigra-ui'");
  });

  it('manages tokens on a page that imports it without a bundler', async () => {
    const visit = await site.visit();
    const { page } = visit;
    const script = await readFile(join(folder, 'scratch.js'), 'utf8');
    await page.route('**/scratch.html', (route) => route.fulfill({ contentType: 'text/html', body: PAGE }));
    await page.route('**/scratch.js', (route) =>
      route.fulfill({ contentType: 'text/javascript', body: script.replace(`'${ui.name}'`, "'/sigra-tokens.js'") }),
    );
    await page.route('**/sigra-tokens.js', (route) =>
      route.fulfill({ path: join(folder, 'node_modules', ui.name, 'dist/sigra-tokens.js') }),
    );
    await visit.signIn();
    await page.goto('/scratch.html');
    await page.getByRole('heading', { name: 'Active tokens of a scratch page' }).waitFor();

    await visit.fillInForm('Scratch token');
    await visit.press('Create token');
    await page.locator('#raw-token').waitFor();

    expect(await page.title()).toBe('Scratch token');
    expect(visit.complaints).toEqual([]);
    await visit.close();
  });
});
