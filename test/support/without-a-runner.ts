import 'reflect-metadata';
import assert, { AssertionError } from 'node:assert';
import { Controller, Get, UseGuards } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { RequireScopes, SigraAuthGuard } from 'nestjs-sigra';
import { actingAs, assertScopeDenied } from 'nestjs-sigra/testing';

// A plain program: `node --import ./tools/typescript/register-sources.js test/support/without-a-runner.ts`.

@Controller()
@UseGuards(SigraAuthGuard)
class NoteController {
  @Get()
  @RequireScopes('read:notes')
  list() {
    return [];
  }
}

const acting = actingAs({ userId: '1', scopes: [] });
const module = await Test.createTestingModule({ controllers: [NoteController] })
  .overrideGuard(SigraAuthGuard)
  .useValue(acting)
  .compile();
const app = module.createNestApplication({ logger: false });
await app.listen(0, '127.0.0.1');
const url = await app.getUrl();

await assertScopeDenied(fetch(url), ['read:notes']);
acting.as({ userId: '1', scopes: ['read:notes'] });
await assert.rejects(assertScopeDenied(fetch(url)), AssertionError);

await app.close();
console.log('served and denied');
