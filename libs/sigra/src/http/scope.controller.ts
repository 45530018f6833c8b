import { Controller, Get, UseGuards } from '@nestjs/common';
import { SigraAuthGuard } from '../auth/guards/sigra-auth.guard.js';
import { ApiTokenService } from '../tokens/api-token.service.js';

/** The scopes that tokens can be given, for every signed-in caller. */
@Controller()
@UseGuards(SigraAuthGuard)
export class ScopeController {
  constructor(private readonly tokens: ApiTokenService) {}

  @Get()
  list(): { scopes: readonly string[] } {
    return { scopes: this.tokens.listScopes() };
  }
}
