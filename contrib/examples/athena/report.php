<?php
// /app/reports/index.php on app01 and app02: takes orders for reports, which are made by and by, and tells backhand how many wait
// on this server.
require __DIR__ . '/push.php';

$spool = getenv('REPORTS_SPOOL');
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    $order = bin2hex(random_bytes(8));
    file_put_contents("$spool/$order", file_get_contents('php://input'));
    // By this server's own name and path. Clients know others: backhand maps them back.
    header("Location: http://{$_SERVER['SERVER_NAME']}:{$_SERVER['SERVER_PORT']}/app/reports/?order=$order", true, 303);
    setcookie('order', $order, ['path' => '/app/reports/', 'httponly' => true]);
}
$waiting = count(glob("$spool/*"));
backhand_push(['waiting' => $waiting]);

header('Content-Type: text/plain');
printf("%s: %d waiting\n", getenv('BACKHAND_NAME'), $waiting);
