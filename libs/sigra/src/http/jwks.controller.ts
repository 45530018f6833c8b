import { Controller, Get, Header } from '@nestjs/common';
import { AllowAnonymous } from '../auth/auth.decorators.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { type Jwk, JwkSet } from '../jwt/jwk-set.js';
import { assertJwtEnabled } from './jwt.controller.js';

/** The public keys of access tokens (RFC 7517 section 5), for servers that verify them elsewhere. */
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
  @Header('Content-Type', 'application/jwk-set+json; charset=utf-8')
  @Header('Cache-Control', 'public, max-age=300')
  get(): { keys: readonly Jwk[] } {
    return { keys: this.jwks.keys };
  }
}
