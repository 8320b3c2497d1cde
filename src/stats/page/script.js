(function(){
'use strict';
var main=document.querySelector('main'),bar=document.getElementById('bar');
if(!main||!bar||!window.fetch)return;
var search=document.querySelector('input[name=scope]');
if(!search){search=document.createElement('input');search.type='search';search.placeholder='Search';search.setAttribute('aria-label','Search');bar.appendChild(search);}
function filter(){
var text=search.value.trim().toLowerCase();
main.querySelectorAll('section').forEach(function(section){
var whole=section.dataset.name.toLowerCase().indexOf(text)>=0,any=false;
section.querySelectorAll('tbody tr').forEach(function(row){
var hit=whole||row.dataset.name.toLowerCase().indexOf(text)>=0;
row.hidden=!hit;any=any||hit;});
section.hidden=!any;});}
search.addEventListener('input',filter);
filter();
var label=document.createElement('label'),live=document.createElement('input');
live.type='checkbox';label.appendChild(live);label.appendChild(document.createTextNode('Live'));bar.appendChild(label);
var timer=0,url=location.href.replace(/#.*/,'').replace(/;st=[A-Z]*/,'');
if(url.indexOf(';norefresh')<0)url+=';norefresh';
function next(){if(live.checked)timer=setTimeout(load,2000);}
function load(){
if(document.hidden)return next();
fetch(url,{credentials:'same-origin',cache:'no-store'}).then(function(answer){
if(!answer.ok)throw answer.status;
return answer.text();}).then(function(text){
var fresh=new DOMParser().parseFromString(text,'text/html'),chosen={};
main.querySelectorAll('input:checked').forEach(function(box){chosen[box.form.dataset.name+'/'+box.value]=1;});
if(main.contains(document.activeElement)&&document.activeElement.tagName==='SELECT')return;
['main','.facts'].forEach(function(what){
var old=document.querySelector(what),now=fresh.querySelector(what);
if(old&&now)old.innerHTML=now.innerHTML;});
main.querySelectorAll('input[type=checkbox]').forEach(function(box){
if(chosen[box.form.dataset.name+'/'+box.value])box.checked=true;});
filter();}).catch(function(){live.checked=false;}).then(next);}
live.addEventListener('change',function(){clearTimeout(timer);if(live.checked)load();});
})();
