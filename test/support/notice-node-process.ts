import 'reflect-metadata';
import { setTimeout } from 'node:timers/promises';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { sigraEntities, SigraModule } from 'nestjs-sigra';
import { TokenNoticeSender } from '../../libs/sigra/src/maintenance/token-notice.sender.js';
import type { NoticeNodeSetup, Told } from './notice-node.js';
import { setClock } from './wrong-clock.js';

// The program of `startNoticeNode`.
const { databaseUrl, skew, duration } = JSON.parse(process.argv[2] ?? '') as NoticeNodeSetup;

setClock(skew);

const module = await Test.createTestingModule({
  imports: [
    TypeOrmModule.forRoot({ type: 'postgres', url: databaseUrl, entities: sigraEntities, retryAttempts: 0 }),
    SigraModule.forRoot({
      users: { provider: { findByIds: (ids: readonly string[]) => Promise.resolve(ids.map((id) => ({ id }))) } },
      apiTokens: {
        onExpiring: {
          days: [30, 7, 1],
          notify: async ({ id }, { days, owner }) => {
            process.send?.({ tokenId: id, days, ownerId: owner.id } satisfies Told);
            await setTimeout(duration);
          },
        },
      },
      cleanup: { schedule: false },
      // A slow machine is not an unreachable database.
      lookupTimeout: 60_000,
    }),
  ],
}).compile();
process.on('message', () => {
  void module
    .get(TokenNoticeSender, { strict: false })
    .send()
    .then(() => process.send?.('sent'));
});
process.once('disconnect', () => process.exit());
process.send?.('ready');
await module.init();
