import { Controller, Get, Header } from '@nestjs/common';
import { AllowAnonymous } from '../auth/auth.decorators.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { type Jwk, JwkSet } from '../jwt/jwk-set.js';
import { assertJwtEnabled } from './jwt.controller.js';
import { CACHED, CROSS_ORIGIN, JWK_SET_TYPE } from './public.documents.js';

/**
 * The public keys of access tokens (RFC 7517 section 5), for servers that verify them elsewhere. `PublicDocuments` serves them at
 * the root; this route is for applications with a global prefix whose clients know the path with it.
 */
@Controller()
export class JwksController {
  constructor(
    @InjectSigraConfig() config: SigraConfig,
    private readonly jwks: JwkSet,
  ) {
    assertJwtEnabled(config, 'jwks');
  }

  /** Can be cached for five minutes: add a new key at least that long before it signs. */
  @Get('jwks.json')
  @AllowAnonymous()
  @Header('Content-Type', JWK_SET_TYPE)
  @Header('Cache-Control', CACHED['Cache-Control'])
  @Header('Access-Control-Allow-Origin', CROSS_ORIGIN['Access-Control-Allow-Origin'])
  get(): { keys: readonly Jwk[] } {
    return { keys: this.jwks.keys };
  }
}
