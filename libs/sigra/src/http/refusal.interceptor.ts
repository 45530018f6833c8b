import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { catchError, type Observable } from 'rxjs';
import { throwRefusal } from '../auth/http-refusal.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';

/**
 * Converts refusals by services to their HTTP form before an exception filter sees them: a host's catch-all filter runs
 * before Sigra's, and treats everything but an `HttpException` as a server error.
 */
@Injectable()
export class RefusalInterceptor implements NestInterceptor {
  constructor(@InjectSigraConfig() private readonly config: SigraConfig) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(catchError((error: unknown) => throwRefusal(error, this.config, context)));
  }
}
