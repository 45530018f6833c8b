import { ApiProperty } from '@nestjs/swagger';

export class StatsDto {
  @ApiProperty({ example: 2 })
  users!: number;

  @ApiProperty({ example: 3 })
  projects!: number;

  @ApiProperty({ example: 2, description: 'Tokens that are neither revoked nor expired.' })
  activeTokens!: number;

  @ApiProperty({ example: 1 })
  revokedTokens!: number;

  @ApiProperty({ example: 12 })
  auditEvents!: number;
}
