//! Elasticsearch and OpenSearch as a target.
