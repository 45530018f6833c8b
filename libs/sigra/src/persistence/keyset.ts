/** Where lists in the order of creation time and id begin: before the oldest row. */
export const BEFORE_ALL = { createdAt: '-infinity', id: '00000000-0000-0000-0000-000000000000' };

/** Where lists with the newest row first begin. */
export const AFTER_ALL = { createdAt: 'infinity', id: 'ffffffff-ffff-ffff-ffff-ffffffffffff' };
