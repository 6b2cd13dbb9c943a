//! Redis as a target: standalone, sentinel, cluster.
