-- Orthanc: send every new CT series to Groundglass. A series, not a study: results come back into
-- the study, and need not be sent again.
function OnStableSeries(seriesId, tags, metadata)
  if tags["Modality"] == "CT" then
    local what = { Resources = { seriesId }, Asynchronous = true }
    RestApiPost("/modalities/node/store", DumpJson(what, true))
  end
end
