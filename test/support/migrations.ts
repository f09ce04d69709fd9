/** Every migration, in order: said here once more, so that one that is renamed or left out does not go unnoticed. */
export const migrationNames = [
  '001-books',
  '002-named-entries',
  '003-released-holds',
  '004-transfers',
  '005-test-clock',
  '006-extended-holds',
  '007-changed-limits',
];
