import { Controller, Get, UseGuards } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { expect, it } from '@jest/globals';
import { AllowOwners, type AnyPrincipal, CurrentPrincipal, SigraAuthGuard } from 'nestjs-sigra';
import { actingAs } from 'nestjs-sigra/testing';

@Controller()
@UseGuards(SigraAuthGuard)
class OrganizationController {
  @Get('organizations')
  @AllowOwners('organization')
  get(@CurrentPrincipal() principal: AnyPrincipal) {
    return { principal, entity: principal.owner?.entity };
  }

  @Get('users')
  users() {
    return {};
  }
}

it('acts as an owner that is not a user', async () => {
  const acting = actingAs({ owner: { type: 'organization', id: '1', entity: { name: 'Acme' } }, tokenId: 't' });
  const module = await Test.createTestingModule({ controllers: [OrganizationController] })
    .overrideGuard(SigraAuthGuard)
    .useValue(acting)
    .compile();
  const app = module.createNestApplication({ logger: false });
  await app.listen(0, '127.0.0.1');
  const get = async (path: string) => {
    const answer = await fetch(`${await app.getUrl()}/${path}`);
    return { status: answer.status, body: await answer.json() };
  };

  const found = await get('organizations');
  const refused = await get('users');
  acting.as({ owner: { type: 'robot', id: '1' } });
  const other = await get('organizations');
  await app.close();

  const owner = { type: 'organization', id: '1' };
  expect(found).toEqual({
    status: 200,
    body: { principal: { owner, method: 'api_token', scopes: ['*'], tokenId: 't' }, entity: { name: 'Acme' } },
  });
  expect(refused).toMatchObject({ status: 403, body: { error: 'owner_not_allowed' } });
  expect(other).toMatchObject({ status: 403, body: { error: 'owner_not_allowed' } });
  expect(() => actingAs({ owner, method: 'session' })).toThrow('API tokens only');
});
