<?php
// Tells backhand how busy this server is, from a page:
//
//   require 'push.php';
//   backhand_push(['waiting' => 3]);
//
// Apache's configuration says where and who (model1-apache.conf). BACKHAND_ENGINES are the engines, with blanks between them: the
// first that takes it counts. BACKHAND_NAME is this server's name in backhand's file. BACKHAND_CURL need not be set: it is a file
// with more options for curl, such as the line header = "Authorization: Bearer TOKEN".

/** @param array<string, int|float> $stats any figures, by names of letters, digits, dots, dashes and underscores */
function backhand_push(array $stats): void
{
    $form = http_build_query(['h' => getenv('BACKHAND_NAME'), 'load1' => sys_getloadavg()[0]] + $stats, '', '&');
    $curl = 'curl -K ' . escapeshellarg(getenv('BACKHAND_CURL') ?: '/dev/null')
        . ' -sSf -m 5 --connect-timeout 1 -o /dev/null -d ' . escapeshellarg($form) . ' ';
    $tries = array_map(
        fn ($engine) => $curl . escapeshellarg("$engine/update/phys"),
        explode(' ', getenv('BACKHAND_ENGINES'))
    );
    // Behind the page, which neither waits for it nor fails with it. What goes wrong is in Apache's error log.
    exec('(' . implode(' || ', $tries) . ') >/dev/null &');
}
