/** Makes everything in this process believe a wrong clock. */
export function setClock(skewSeconds: number): void {
  const RealDate = Date;
  const now = () => RealDate.now() + skewSeconds * 1000;
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args: readonly unknown[], newTarget: typeof Date) =>
      Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget) as Date,
    get: (target, property, receiver) =>
      property === 'now' ? now : (Reflect.get(target, property, receiver) as unknown),
  });
}
