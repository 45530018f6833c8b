import { ApiProperty, ApiResponse } from '@nestjs/swagger';

/** The body of every refusal by the demo itself, or by Nest for it. */
export class RefusalDto {
  @ApiProperty({ example: 401 })
  statusCode!: number;

  @ApiProperty({ example: 'Unauthorized' })
  error!: string;

  @ApiProperty({
    oneOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }],
    example: 'Wrong email or password.',
    description: 'Of a ValidationPipe, one for each mistake.',
  })
  message!: string | string[];
}

/** Documents one refusal of a route. */
export const RefusalResponse = (status: number, description: string) =>
  ApiResponse({ status, description, type: RefusalDto });
