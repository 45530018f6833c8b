import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import type { AuthMethod } from 'nestjs-sigra';

class CredentialDto {
  @ApiProperty({ enum: ['session', 'api_token'], example: 'api_token' })
  method!: AuthMethod;

  @ApiProperty({ type: [String], example: ['read:projects'], description: 'A session may do everything: `*`.' })
  scopes!: readonly string[];

  @ApiPropertyOptional({ format: 'uuid', description: 'The API token that was presented.' })
  tokenId?: string;
}

export class MeDto {
  @ApiProperty({ format: 'uuid' })
  id!: string;

  @ApiProperty({ example: 'ada@example.com' })
  email!: string;

  @ApiProperty({ description: 'How the caller proved who it is.' })
  auth!: CredentialDto;
}
