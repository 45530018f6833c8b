import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, type Principal } from 'nestjs-sigra';
import { MeDto } from './me.dto.js';
import type { User } from './user.entity.js';

/** Who am I? One handler for browsers and scripts: the guard accepts both, and the principal tells which it was. */
@ApiTags('Me')
@Controller('api/me')
export class MeController {
  @Get()
  @ApiOperation({ summary: 'Who is calling, and with which credential' })
  @ApiOkResponse({ type: MeDto })
  show(@CurrentPrincipal() { user, method, scopes, tokenId }: Principal<User>): MeDto {
    return { id: user.id, email: user.email, auth: { method, scopes, ...(tokenId !== undefined && { tokenId }) } };
  }
}
