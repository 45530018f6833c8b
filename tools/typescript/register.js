import { register } from 'node:module';

// Lets plain Node import TypeScript: `node --import ./tools/typescript/register.js file.ts`.
register('./loader.js', import.meta.url);
