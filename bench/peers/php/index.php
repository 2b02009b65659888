<?php
// The customers API of Clientele with PHP-FPM and PDO, for comparison in bench/run.
declare(strict_types=1);

require __DIR__ . '/ids.php';
require __DIR__ . '/customer.php';
require __DIR__ . '/store.php';
require __DIR__ . '/api.php';

serve();
