/** How long a rotated token may still work, so that whatever uses it can be switched over. */
export const GRACE_CHOICES = [
  { value: '0', label: 'At once', hint: 'Nothing uses it any more, or it may have leaked.' },
  { value: '3600', label: 'In an hour', hint: '' },
  { value: '86400', label: 'In a day', hint: '' },
  { value: '604800', label: 'In a week', hint: '' },
] as const;

/** The seconds of a choice; none for whatever the form does not offer. */
export function parseGrace(value: string): number {
  return Number(GRACE_CHOICES.find((choice) => choice.value === value)?.value ?? 0);
}
