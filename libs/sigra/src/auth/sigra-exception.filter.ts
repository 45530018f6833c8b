import { type ArgumentsHost, Catch, type ExceptionFilter, Injectable, Logger } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { SigraError } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { HttpRefusal, sendRefusal, toHttpRefusal } from './http-refusal.js';

/**
 * Answers the refusals of services and guards: status, `WWW-Authenticate` or `Retry-After`, and a JSON body of `statusCode`,
 * `error` and `message`. `SigraModule` registers it for the whole application.
 */
@Catch(SigraError, HttpRefusal)
@Injectable()
export class SigraExceptionFilter implements ExceptionFilter<SigraError | HttpRefusal> {
  private readonly logger = new Logger(SigraExceptionFilter.name);

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly adapterHost: HttpAdapterHost,
  ) {}

  catch(exception: SigraError | HttpRefusal, host: ArgumentsHost): void {
    // Other transports answer errors in their own way.
    if (host.getType() !== 'http') throw exception;
    const refusal = exception instanceof HttpRefusal ? exception : toHttpRefusal(exception, this.config.realm);
    sendRefusal(refusal, host, this.adapterHost, this.logger);
  }
}
