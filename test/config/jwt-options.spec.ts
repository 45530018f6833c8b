import { describe, expect, it } from '@jest/globals';
import type { SigraModuleOptions } from 'nestjs-sigra';
import { resolveConfig } from '../../libs/sigra/src/config/resolve-config.js';
import { SigraConfigError } from '../../libs/sigra/src/config/sigra-config-error.js';
import { startTestApp, User } from '../support/test-app.js';

const SECRET = 'correct horse battery staple, and more';
const EXAMPLE = 'must be a non-empty string, for example "https://myapp.example"';
const SECONDS = 'must be an integer number of seconds from 1 to 3155760000';

const resolve = (jwt: unknown) => resolveConfig({ users: { entity: User }, jwt } as SigraModuleOptions).jwt;
const resolveWith = (jwt: object) =>
  resolve({ enabled: true, issuer: 'https://issuer.example', secret: SECRET, ...jwt });

const seconds = (option: string, value: unknown, described: string) => ({
  jwt: { [option]: value },
  option,
  problem: `${SECONDS}, not ${described}`,
});

const WRONG: readonly { jwt: object; option: string; problem: string }[] = [
  { jwt: { issuer: undefined }, option: 'issuer', problem: EXAMPLE },
  { jwt: { issuer: '' }, option: 'issuer', problem: EXAMPLE },
  { jwt: { issuer: ' ' }, option: 'issuer', problem: EXAMPLE },
  { jwt: { issuer: ['https://issuer.example'] }, option: 'issuer', problem: EXAMPLE },
  { jwt: { audience: '' }, option: 'audience', problem: EXAMPLE },
  { jwt: { audience: ['api'] }, option: 'audience', problem: EXAMPLE },
  { jwt: { clientId: 7 }, option: 'clientId', problem: EXAMPLE },
  seconds('accessTtl', '900', 'the string "900"; convert it with Number()'),
  seconds('refreshTtl', '30d', 'the string "30d"; convert it with Number()'),
  seconds('absoluteTtl', '7776000', 'the string "7776000"; convert it with Number()'),
  seconds('accessTtl', 0, '0'),
  seconds('accessTtl', -1, '-1'),
  seconds('accessTtl', 0.5, '0.5'),
  seconds('accessTtl', Number.NaN, 'NaN'),
  seconds('accessTtl', Infinity, 'Infinity'),
  seconds('accessTtl', 900n, '900'),
  {
    jwt: { refreshTtl: 7_776_001, absoluteTtl: 7_776_000 },
    option: 'absoluteTtl',
    problem: 'must not be shorter than jwt.refreshTtl and jwt.accessTtl',
  },
  {
    jwt: { accessTtl: 601, refreshTtl: 600, absoluteTtl: 600 },
    option: 'absoluteTtl',
    problem: 'must not be shorter than jwt.refreshTtl and jwt.accessTtl',
  },
  {
    jwt: { clockTolerance: 301 },
    option: 'clockTolerance',
    problem: 'must be an integer number of seconds from 0 to 300, not 301',
  },
  {
    jwt: { clockTolerance: '5' },
    option: 'clockTolerance',
    problem: 'must be an integer number of seconds from 0 to 300, not the string "5"; convert it with Number()',
  },
  {
    jwt: { reuseLeeway: 61 },
    option: 'reuseLeeway',
    problem: 'must be an integer number of seconds from 0 to 60, not 61',
  },
  {
    jwt: { reuseLeeway: '10' },
    option: 'reuseLeeway',
    problem: 'must be an integer number of seconds from 0 to 60, not the string "10"; convert it with Number()',
  },
  {
    jwt: { check: 'session' },
    option: 'check',
    problem: 'must be one of stateless, epoch, family, not the string "session"',
  },
  { jwt: { check: true }, option: 'check', problem: 'must be one of stateless, epoch, family, not true' },
  { jwt: { claims: { plan: 'pro' } }, option: 'claims', problem: 'must be a function of the user, not an object' },
  { jwt: { enabled: 'true' }, option: 'enabled', problem: 'must be true or false, not the string "true"' },
  { jwt: { enabled: 1 }, option: 'enabled', problem: 'must be true or false, not 1' },
];

describe('JWT options', () => {
  it.each(WRONG)('fail at boot with the name of the option: $jwt', ({ jwt, option, problem }) => {
    const call = () => resolveWith(jwt);

    expect(call).toThrow(SigraConfigError);
    expect(call).toThrow(new SigraConfigError(`jwt.${option}`, problem));
  });

  it('that are unknown fail at boot with the list of the known ones', () => {
    const call = () => resolveWith({ expiresIn: 900 });

    expect(call).toThrow(/^sigra: jwt\.expiresIn is not an option; known are: enabled, issuer, audience, clientId, /);
  });

  it.each([SECRET, [SECRET], null, 7])('that are not an object are refused and never repeated: %j', (jwt) => {
    const call = () => resolve(jwt);

    expect(call).toThrow(/^sigra: jwt must (?:be an object, not (?:a string|an array|7)|not be null)/);
  });

  it('have the documented defaults', () => {
    expect(resolveWith({})).toMatchObject({
      audience: 'api',
      clientId: 'api',
      accessTtl: 900,
      refreshTtl: 2_592_000,
      absoluteTtl: 7_776_000,
      clockTolerance: 5,
      check: 'epoch',
      reuseLeeway: 0,
    });
  });

  it('derive clientId from the audience, and absoluteTtl from a long refreshTtl', () => {
    expect(resolveWith({ audience: 'billing', refreshTtl: 31_536_000 })).toMatchObject({
      clientId: 'billing',
      absoluteTtl: 31_536_000,
    });
  });

  it('cannot be changed after they are resolved', () => {
    const config = resolveWith({});

    expect(Object.isFrozen(config)).toBe(true);
  });

  it('are not checked unless jwt.enabled is true', () => {
    expect([resolve(undefined), resolve({}), resolve({ enabled: false, secret: 'short' })]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it.each(['oauth', 'jwks', 'jwt'])('must enable JWTs before the controller %s can be mounted', async (controller) => {
    const boot = startTestApp({ sigra: { controllers: { [controller]: 'path' } } });

    await expect(boot).rejects.toMatchObject({
      name: 'SigraConfigError',
      message: `sigra: controllers.${controller} needs JWTs; set jwt.enabled to true`,
    });
  });
});
