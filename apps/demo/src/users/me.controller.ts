import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { type AuthMethod, CurrentPrincipal, type Principal } from 'nestjs-sigra';
import type { User } from './user.entity.js';

class CredentialDto {
  @ApiProperty({ enum: ['session', 'api_token', 'jwt'], example: 'api_token' })
  method!: AuthMethod;

  @ApiProperty({ type: [String], example: ['read:projects'], description: 'A session has all scopes: `*`.' })
  scopes!: readonly string[];

  @ApiPropertyOptional({ format: 'uuid', description: 'The id of the API token of this request.' })
  tokenId?: string;
}

class MeDto {
  @ApiProperty({ format: 'uuid' })
  id!: string;

  @ApiProperty({ example: 'ada@example.com' })
  email!: string;

  @ApiProperty({ description: 'The credential of this request.' })
  auth!: CredentialDto;
}

/** One handler for browsers and scripts: the guard accepts both, and the principal contains the method. */
@ApiTags('Me')
@Controller('api/me')
export class MeController {
  @Get()
  @ApiOperation({ summary: 'Who makes this request, and with which credential' })
  @ApiOkResponse({ type: MeDto })
  show(@CurrentPrincipal() { user, method, scopes, tokenId }: Principal<User>): MeDto {
    return { id: user.id, email: user.email, auth: { method, scopes, ...(tokenId !== undefined && { tokenId }) } };
  }
}
