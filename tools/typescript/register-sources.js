import { register } from 'node:module';
import { sources } from './sources.js';

// Like `register.js`, but imports packages of this repository from their sources, without a build.
register('./loader.js', import.meta.url, { data: { sources } });
