import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { translateDatabaseError } from 'nestjs-sigra';
import { catchError, type Observable, throwError } from 'rxjs';
import { DataSource } from 'typeorm';

/** Answers 503 if one of the demo's own queries cannot reach the database, as Sigra does for its queries. */
@Injectable()
export class UnavailableInterceptor implements NestInterceptor {
  constructor(private readonly dataSource: DataSource) {}

  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next
      .handle()
      .pipe(catchError((error: unknown) => throwError(() => translateDatabaseError(error, this.dataSource))));
  }
}
