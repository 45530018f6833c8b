import { ApiProperty, ApiResponse } from '@nestjs/swagger';

/** The body of every refusal, by Sigra or by the demo. */
export class RefusalDto {
  @ApiProperty({ example: 403 })
  statusCode!: number;

  @ApiProperty({ example: 'insufficient_scope', description: 'A stable code.' })
  error!: string;

  @ApiProperty({ example: 'The credential lacks a scope that this request needs.' })
  message!: string;
}

/** Documents one refusal of a route. */
export const RefusalResponse = (status: number, description: string) =>
  ApiResponse({ status, description, type: RefusalDto });
