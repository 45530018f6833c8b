import { credentialVerification, type Verification } from './channels.js';

/** Publishes how a verification ends. Costs one property read when there are no subscribers. @returns the verification */
export function announced<T>(operation: Verification['operation'], verification: Promise<T>): Promise<T> {
  if (credentialVerification.hasSubscribers) {
    const publish = (error?: unknown) => {
      credentialVerification.publish({ operation, error } satisfies Verification);
    };
    void verification.then(() => {
      publish();
    }, publish);
  }
  return verification;
}
