import { createPublicKey } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { JwtVerifier } from 'aws-jwt-verify';
import { SimpleJwksCache } from 'aws-jwt-verify/jwk';
import type { RequestHandler } from 'express';
import { expressjwt, type GetVerificationKey } from 'express-jwt';
import { auth, requiredScopes } from 'express-oauth2-jwt-bearer';
import { createVerifier } from 'fast-jwt';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import jwksRsa from 'jwks-rsa';
import passport from 'passport';
import { ExtractJwt, Strategy } from 'passport-jwt';
import { AUDIENCE, type Issuer, startIssuer, startResourceServer } from '../../support/oauth-issuer.js';
import { ADAPTERS } from '../../support/test-app.js';

const KEYS = '/.well-known/jwks.json';

/** A token whose signature is that of another token. */
const forged = (one: string, other: string) => [...one.split('.').slice(0, 2), other.split('.')[2]].join('.');

describe.each(ADAPTERS)('Services that verify access tokens of an issuer on %s', (adapter) => {
  let issuer: Issuer;

  beforeAll(async () => {
    issuer = await startIssuer(adapter);
  });
  afterAll(() => issuer.close());

  const tokens = async () => {
    const { accessToken } = await issuer.signIn('read:notes');
    return { accessToken, bad: forged(accessToken, (await issuer.signIn()).accessToken) };
  };
  const keysUri = () => issuer.url + KEYS;

  /** Asks a service with a valid token and one with a wrong signature. */
  const askBoth = async (...middleware: RequestHandler[]) => {
    const service = await startResourceServer(...middleware);
    const { accessToken, bad } = await tokens();
    const [good, refused] = [await service.ask(accessToken), await service.ask(bad)];
    await service.close();
    return { good, refused };
  };
  const expectBoth = ({ good, refused }: Awaited<ReturnType<typeof askBoth>>) => {
    expect([good.status, refused.status]).toEqual([200, 401]);
    expect(good.claims).toMatchObject({ iss: issuer.url, sub: issuer.user.id, scope: 'read:notes' });
  };

  it('jose: finds the key by its URL', async () => {
    const { accessToken, bad } = await tokens();
    const keys = createRemoteJWKSet(new URL(keysUri()));
    const rules = { issuer: issuer.url, audience: AUDIENCE, typ: 'at+jwt' };

    const { payload } = await jwtVerify(accessToken, keys, rules);

    expect(payload.sub).toBe(issuer.user.id);
    await expect(jwtVerify(bad, keys, rules)).rejects.toMatchObject({ code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' });
  });

  it('jwks-rsa with express-jwt', async () => {
    const secret = jwksRsa.expressJwtSecret({ jwksUri: keysUri(), cache: true }) as GetVerificationKey;

    expectBoth(
      await askBoth(expressjwt({ secret, issuer: issuer.url, audience: AUDIENCE, algorithms: ['RS256'] }) as never),
    );
  });

  it('express-oauth2-jwt-bearer: discovers everything by issuerBaseURL, and checks scopes', async () => {
    const check = auth({ issuerBaseURL: issuer.url, audience: AUDIENCE, strict: true });

    expectBoth(await askBoth(check, requiredScopes('read:notes')));
    expect((await askBoth(check, requiredScopes('admin'))).good.status).toBe(403);
  });

  it('passport-jwt with jwks-rsa', async () => {
    const strategy = new Strategy(
      {
        jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
        secretOrKeyProvider: jwksRsa.passportJwtSecret({ jwksUri: keysUri(), cache: true }),
        issuer: issuer.url,
        audience: AUDIENCE,
        algorithms: ['RS256'],
      },
      (claims: object, done: (error: unknown, user: object) => void) => {
        done(null, claims);
      },
    );
    const own = new passport.Passport().use(strategy);

    expectBoth(await askBoth(own.authenticate('jwt', { session: false }) as RequestHandler));
  });

  it('fast-jwt: with the key of the JWKS', async () => {
    const { accessToken, bad } = await tokens();
    const { keys } = (await (await fetch(keysUri())).json()) as { keys: { kid: string }[] };
    const verify = createVerifier({
      key: async ({ header }: { header: { kid?: string } }) => {
        const jwk = keys.find(({ kid }) => kid === header.kid)!;
        return createPublicKey({ key: jwk as never, format: 'jwk' })
          .export({ type: 'spki', format: 'pem' })
          .toString();
      },
      algorithms: ['RS256'],
      allowedIss: issuer.url,
      allowedAud: AUDIENCE,
      checkTyp: 'at+jwt',
    });

    expect(await verify(accessToken)).toMatchObject({ sub: issuer.user.id });
    await expect(verify(bad)).rejects.toMatchObject({ code: 'FAST_JWT_INVALID_SIGNATURE' });
  });

  it('aws-jwt-verify: with its cache of the JWKS', async () => {
    const { accessToken, bad } = await tokens();
    // Its own fetcher accepts HTTPS only.
    const fetcher = { fetch: async (uri: string) => (await fetch(uri)).arrayBuffer() };
    const verifier = JwtVerifier.create(
      { issuer: issuer.url, audience: AUDIENCE, jwksUri: keysUri() },
      { jwksCache: new SimpleJwksCache({ fetcher }) },
    );

    expect(await verifier.verify(accessToken)).toMatchObject({ sub: issuer.user.id });
    await expect(verifier.verify(bad)).rejects.toThrow('Invalid signature');
  });
});

describe.each(['ES256', 'ES384', 'PS256', 'RS512', 'EdDSA'] as const)('Access tokens with %s', (alg) => {
  it('are verified by jose with the published keys', async () => {
    const issuer = await startIssuer('fastify', alg);
    const { accessToken } = await issuer.signIn();
    const keys = createRemoteJWKSet(new URL(issuer.url + KEYS));

    const { protectedHeader } = await jwtVerify(accessToken, keys, { issuer: issuer.url, audience: AUDIENCE });
    const isAccepted = await issuer.accepts(accessToken);
    await issuer.close();

    expect([protectedHeader.alg, isAccepted]).toEqual([alg, true]);
  });
});
