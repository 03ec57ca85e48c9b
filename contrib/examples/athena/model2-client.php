<?php
// /client.php on app01 and app02: says who the client is, as any page sees it that looks there.
header('Content-Type: text/plain');
echo $_SERVER['REMOTE_ADDR'], "\n";
