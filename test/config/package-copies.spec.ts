import { Controller, Get, Injectable, type Type, UseGuards } from '@nestjs/common';
import { afterAll, describe, expect, it } from '@jest/globals';
import { announceCopy } from '../../libs/sigra/src/common/package-copies.js';
import { startTestApp } from '../support/test-app.js';

/** What another copy of the package exports. */
class OtherTokenService {
  readonly isOther = true;
}
const OTHER_CONFIG = Symbol('OTHER_CONFIG');
const EXPORTED = [OtherTokenService, OTHER_CONFIG];

@Injectable()
class OtherGuard {
  constructor(readonly tokens: OtherTokenService) {}

  canActivate = () => true;
}

@Controller('guarded')
@UseGuards(OtherGuard)
class GuardedController {
  @Get()
  get() {
    return { ok: true };
  }
}

@Injectable()
class HostService {
  constructor(readonly tokens: OtherTokenService) {}
}

const REFUSAL = /OtherTokenService comes from another copy of nestjs-sigra than SigraModule\. Install one version/;

describe('An application with two copies of the package', () => {
  announceCopy(EXPORTED);
  afterAll(() => {
    const holder = globalThis as unknown as Record<symbol, Set<unknown>>;
    holder[Symbol.for('nestjs-sigra:copies')]!.delete(EXPORTED);
  });

  const boot = async (options: { controllers?: Type<object>[]; providers?: Type<object>[] }) => {
    const test = await startTestApp(options);
    await test.close();
  };

  it.each([
    ['a guard', { controllers: [GuardedController] }],
    ['a service', { providers: [HostService] }],
  ])('does not boot with %s of the copy without a module', async (_name, options) => {
    await expect(boot(options)).rejects.toThrow(REFUSAL);
  });

  it('boots as long as it injects nothing of the other copy', async () => {
    await expect(boot({})).resolves.toBeUndefined();
  });
});
