import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Builds the CommonJS form of the library into dist/cjs, for tools that cannot load ES modules with require(), such as Jest
 * in a CommonJS project. Node itself always loads the ES modules, so that an application has each class once.
 */
const library = fileURLToPath(new URL('../libs/sigra', import.meta.url));

execFileSync('npx', ['tsc', '--project', `${library}/tsconfig.cjs.json`], { stdio: 'inherit' });
writeFileSync(`${library}/dist/cjs/package.json`, '{ "type": "commonjs" }\n');
