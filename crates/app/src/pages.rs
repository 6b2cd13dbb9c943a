//! The page of every error, compiled in from `docs/errors/`, so that logs, command line and documentation say the same.
//! A code without a page, or a page without a code, fails the tests.

use syncline_engine::error::Code;

macro_rules! pages {
    ($($number:literal)*) => {
        &[$(($number, include_str!(concat!("../../../docs/errors/SYN-", $number, ".md"))),)*]
    };
}

/// In order of their numbers.
const PAGES: &[(u16, &str)] = pages! {
    1001 1002 1003 1004 1005 1006 1007 1008 1009 1010
    1201 1202 1203 1204 1205
    1301 1302 1303 1304 1305 1306 1307 1308 1309 1310 1311 1312 1313 1314 1315 1316
    1317 1318 1319
    1401 1402 1403 1404 1405 1406 1407 1408
    1501 1502 1503 1504 1505 1506 1507 1508 1509 1510 1511 1512 1513
    1601 1602 1603 1604 1605 1606 1607 1608 1609 1610
    1701 1702 1703 1704 1705 1706 1707
    1801 1802 1803
    1901 1902 1903 1904
    2001 2002 2003 2004 2005 2006 2007
    2101 2102 2103 2104 2105 2106 2110 2111 2199
    2201 2202 2203
    2301
    2401 2402 2403 2404 2405 2406
    2501 2502 2503 2504 2505
    2601
    2701 2702 2703 2704 2705 2706 2707 2708
    2801
    2901 2902
};

/// The page of a code.
pub fn page(code: Code) -> Option<&'static str> {
    PAGES.iter().find(|(number, _)| *number == code.number()).map(|(_, page)| *page)
}

#[cfg(test)]
#[path = "pages_tests.rs"]
mod tests;
